package durable

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// WriteJSON replaces a file by JSON that a person can read.
func WriteJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return Replace(path, append(b, '\n'))
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
		err = errors.Join(json.Unmarshal(b, &keys), json.Unmarshal(b, v))
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
