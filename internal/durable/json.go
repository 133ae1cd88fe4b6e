package durable

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// WriteJSON replaces a file by JSON that a person can read. An object gets one more key: a sum, by which a bit that flips on the
// disk is noticed.
func WriteJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if body, is := bytes.CutSuffix(b, []byte(objectEnd)); is {
		b = fmt.Appendf(body, sumEnd, sumOf(b))
	}
	return Replace(path, b)
}

// An object as JSON ends with objectEnd; with a sum, which is that of the JSON without it, with sumEnd.
const (
	objectEnd = "\n}\n"
	sumEnd    = ",\n  \"crc\": \"%08x\"" + objectEnd
)

func sumOf(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// UnmarshalJSON reads the content of a file that WriteJSON wrote, with or without a sum.
func UnmarshalJSON(b []byte, v any) error {
	body := b[:max(len(b)-len(fmt.Sprintf(sumEnd, 0)), 0)]
	var sum uint32
	if n, err := fmt.Sscanf(string(b[len(body):]), sumEnd, &sum); n == 1 && err == nil {
		b = slices.Concat(body, []byte(objectEnd))
		if sum != sumOf(b) {
			return errors.New("its sum does not match: a bit of it has changed, or somebody edited it")
		}
	}
	return json.Unmarshal(b, v)
}

// ReadJSON reads what WriteJSON wrote, and reports false if there is no such file. A file
// that is not whole, as one without its first key, is an error that begins with its path.
func ReadJSON(path, key string, v any) (bool, error) {
	b, err := os.ReadFile(path) //nolint:gosec // a file of our own data directory
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	var keys map[string]json.RawMessage
	if err == nil {
		err = errors.Join(json.Unmarshal(b, &keys), UnmarshalJSON(b, v))
	}
	switch _, has := keys[key]; {
	case errors.Is(err, syscall.EISDIR):
		return false, fmt.Errorf("%s is damaged (it is no file)", path)
	case b == nil && err != nil:
		return false, fmt.Errorf("%s cannot be read (%w): look at its disk", path, err)
	case err != nil:
		return false, fmt.Errorf("%s is damaged (%s)", path, strings.ReplaceAll(err.Error(), "\n", "; "))
	case !has:
		return false, fmt.Errorf("%s is damaged (it says nothing of %q)", path, key)
	}
	return true, nil
}
