package api

import (
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"baton/internal/cause"
	"baton/internal/pair"
)

// Upload is an operation that is asked with a password and a file: a multipart form
// that is read as it streams in.
type Upload[S, A any] struct{ *operation }

// Call asks an appliance. Its failures are *pair.Refusal.
func (o Upload[S, A]) Call(ctx context.Context, c *Client, password string, file io.Reader) (answer A, err error) {
	reader, writer := io.Pipe()
	defer discard(reader) // lets the goroutine below end, also if nobody read
	form := multipart.NewWriter(writer)
	go func() { writer.CloseWithError(writeRestoreForm(form, password, file)) }()
	header := http.Header{"Content-Type": {form.FormDataContentType()}}
	target := reflect.New(o.answer.as).Interface()
	if err := c.receive(ctx, o.method, o.path, header, reader, target); err != nil {
		return answer, err
	}
	return o.answer.unpack(target).(A), nil
}

func upload[O, S, A any](r route, act func(S, context.Context, string, io.Reader) (A, error)) Upload[S, A] {
	r.takes, r.timeout = restoreBody(), backupTimeout
	return Upload[S, A](declare[S, None, None, A, O](r, func(s any, ctx context.Context, _ any) (any, error) {
		password, file, err := BackupParts(exchangeFrom(ctx).r)
		if err != nil {
			return nil, err
		}
		return act(s.(S), ctx, password, file)
	}))
}

const (
	restorePath   = Prefix + "/backup/restore"
	inspectPath   = Prefix + "/backup/inspect"
	backupTimeout = 10 * time.Minute
	passwordPart  = "password"
	filePart      = "file"
)

func restoreBody() *huma.RequestBody {
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"multipart/form-data": {Schema: &huma.Schema{
			Type: huma.TypeObject, Required: []string{passwordPart, filePart},
			Properties: map[string]*huma.Schema{
				passwordPart: {Type: huma.TypeString},
				filePart:     {Type: huma.TypeString, Format: "binary"},
			},
		}},
	}}
}

// BackupParts reads a form with a backup as it streams in: the password has to
// come first.
func BackupParts(r *http.Request) (string, io.Reader, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return "", nil, pair.Refuse(pair.Usage, "a backup is sent as a multipart form, the part %s first, then the part %s: %w", passwordPart, filePart, cause.Plain(err))
	}
	first, err := form.NextPart()
	if err != nil || first.FormName() != passwordPart {
		return "", nil, pair.Refuse(pair.Usage, "the first part of the form must be %s: put it before %s", passwordPart, filePart)
	}
	password, err := io.ReadAll(io.LimitReader(first, 1025))
	if err != nil || len(password) == 0 || len(password) > 1024 {
		return "", nil, pair.Refuse(pair.Usage, "the backup's password is missing or too long: send 1 to 1024 bytes")
	}
	second, err := form.NextPart()
	if err != nil || second.FormName() != filePart {
		return "", nil, pair.Refuse(pair.Usage, "the second part of the form must be %s: it carries the backup", filePart)
	}
	return string(password), second, nil
}

func writeRestoreForm(form *multipart.Writer, password string, from io.Reader) error {
	if err := form.WriteField(passwordPart, password); err != nil {
		return err
	}
	file, err := form.CreateFormFile(filePart, "backup")
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, from); err != nil {
		return err
	}
	return form.Close()
}
