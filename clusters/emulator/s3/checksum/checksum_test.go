package checksum

import (
	"net/http"
	"strings"
	"testing"
)

func TestSum(t *testing.T) {
	// The check values of the algorithms, over "123456789"
	// (https://reveng.sourceforge.io/crc-catalogue/all.htm: CRC-64/NVME is 0xae8b14860a799888), and the SHA family as Python computes it.
	for algorithm, want := range map[Algorithm]string{
		CRC32: "y/Q5Jg==", CRC32C: "4waSgw==", CRC64NVME: "rosUhgp5mIg=",
		SHA1: "98O8HYCOBHMq32eZZczDTKeuNEE=", SHA256: "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
	} {
		if got := algorithm.Sum([]byte("123456789")); got != want || !algorithm.Valid(got) {
			t.Errorf("%s = %s, want %s", algorithm, got, want)
		}
		if algorithm.Valid("AAAA") || algorithm.Valid("?") {
			t.Errorf("%s takes anything", algorithm)
		}
		if parsed, ok := Parse(strings.ToLower(string(algorithm))); !ok || parsed != algorithm {
			t.Errorf("parsed %s %t", parsed, ok)
		}
		if header := algorithm.Header(); header != http.CanonicalHeaderKey("x-amz-checksum-"+string(algorithm)) {
			t.Errorf("header %s", header)
		}
	}
	if _, ok := Parse("MD5"); ok {
		t.Error("MD5 is no checksum of S3")
	}
}

func TestCompose(t *testing.T) {
	// "a checksum of checksums" with the number of parts (checking-object-integrity-upload).
	a, b := SHA256.Sum([]byte("a")), SHA256.Sum([]byte("b"))
	got, err := SHA256.Compose([]string{a, b})
	if err != nil || got.Type != Composite || got.Value != "5aAf7hTg7VxIcU8iGA8lrYNltT+XefedxKPX6Tlj+Uo=-2" {
		t.Errorf("%+v, %v", got, err)
	}
	if again, _ := SHA256.Compose([]string{b, a}); again.Value == got.Value {
		t.Error("the order of parts does not matter")
	}
	if _, err := CRC32.Compose([]string{"?"}); err == nil {
		t.Error("composed of anything")
	}
}

func TestTypes(t *testing.T) {
	// The table "Full object and composite checksum types" of checking-object-integrity-upload.
	for _, test := range []struct {
		algorithm       Algorithm
		full, composite bool
		byDefault       Type
	}{
		{CRC64NVME, true, false, FullObject},
		{CRC32, true, true, Composite},
		{CRC32C, true, true, Composite},
		{SHA1, false, true, Composite},
		{SHA256, false, true, Composite},
	} {
		if test.algorithm.Allows(FullObject) != test.full || test.algorithm.Allows(Composite) != test.composite ||
			test.algorithm.DefaultType() != test.byDefault || test.algorithm.Allows("other") {
			t.Errorf("%s", test.algorithm)
		}
	}
}
