package lab_test

import (
	"fmt"
	"os"
	"testing"

	"baton/internal/lab"
)

func TestMain(m *testing.M) {
	code, again, err := lab.Enter()
	switch {
	case err != nil:
		fmt.Println("skipped: the lab needs network namespaces:", err)
	case again:
		os.Exit(code)
	default:
		os.Exit(m.Run())
	}
}
