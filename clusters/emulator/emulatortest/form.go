package emulatortest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
)

// Field of an HTML form.
type Field struct{ Name, Value string }

// PostForm sends a form with a file as its last field, as browsers do. It returns the answer with its body read.
func PostForm(ctx context.Context, client *http.Client, url string, fields []Field, filename, file string) (status int, header http.Header, body string, err error) {
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	for _, field := range fields {
		if err := writer.WriteField(field.Name, field.Value); err != nil {
			return 0, nil, "", fmt.Errorf("write field %s: %w", field.Name, err)
		}
	}
	part, err := writer.CreateFormFile("file", filename)
	if err == nil {
		_, err = io.WriteString(part, file)
	}
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		return 0, nil, "", fmt.Errorf("write form: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, &form)
	if err != nil {
		return 0, nil, "", fmt.Errorf("post form: %w", err)
	}
	request.Header.Set("Content-Type", writer.FormDataContentType())
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, "", fmt.Errorf("post form: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // the body was read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, "", fmt.Errorf("read the answer to a form: %w", err)
	}
	return response.StatusCode, response.Header, string(text), nil
}
