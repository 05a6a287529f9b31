package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
)

// text is a key, or a part of one, in an answer. It may have characters that XML 1.0 lacks and encoding/xml would replace. S3
// writes them as character references. A client that cannot read those asks for encoding-type=url (object-keys, "XML related object
// key constraints").
type text string

// MarshalXML implements xml.Marshaler.
func (t text) MarshalXML(encoder *xml.Encoder, start xml.StartElement) error {
	if !strings.ContainsFunc(string(t), beyondXML) {
		return encoder.EncodeElement(string(t), start)
	}
	var escaped strings.Builder
	for _, c := range string(t) {
		if beyondXML(c) {
			fmt.Fprintf(&escaped, "&#x%x;", c)
			continue
		}
		if err := xml.EscapeText(&escaped, []byte(string(c))); err != nil {
			return err
		}
	}
	return encoder.EncodeElement(struct {
		Raw string `xml:",innerxml"`
	}{escaped.String()}, start)
}

// message is the text of an error, in which S3 does not escape quotation marks. minio-go's functional tests look for them
// (https://github.com/minio/minio-go/blob/v7.4.1/functional_tests.go, testPresignedPostPolicyWrongFile).
type message string

var messageEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xd;")

// MarshalXML implements xml.Marshaler.
func (m message) MarshalXML(encoder *xml.Encoder, start xml.StartElement) error {
	escaped := messageEscaper.Replace(strings.Map(func(c rune) rune {
		if beyondXML(c) {
			return utf8.RuneError
		}
		return c
	}, string(m)))
	return encoder.EncodeElement(struct {
		Raw string `xml:",innerxml"`
	}{escaped}, start)
}

// beyondXML says whether XML 1.0 lacks a character (https://www.w3.org/TR/xml/#charsets).
func beyondXML(c rune) bool {
	return c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0xFFFE || c == 0xFFFF
}

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// checksumElements are the checksums in S3's XML.
type checksumElements struct {
	ChecksumCRC32     string        `xml:",omitempty"`
	ChecksumCRC32C    string        `xml:",omitempty"`
	ChecksumCRC64NVME string        `xml:",omitempty"`
	ChecksumSHA1      string        `xml:",omitempty"`
	ChecksumSHA256    string        `xml:",omitempty"`
	ChecksumType      checksum.Type `xml:",omitempty"`
}

func (e *checksumElements) element(a checksum.Algorithm) *string {
	switch a {
	case checksum.CRC32:
		return &e.ChecksumCRC32
	case checksum.CRC32C:
		return &e.ChecksumCRC32C
	case checksum.SHA1:
		return &e.ChecksumSHA1
	case checksum.SHA256:
		return &e.ChecksumSHA256
	}
	return &e.ChecksumCRC64NVME
}

func elementsOf(sum checksum.Checksum) checksumElements {
	e := checksumElements{ChecksumType: sum.Type}
	*e.element(sum.Algorithm) = sum.Value
	return e
}

// of returns the checksum of an algorithm; "" if there is none.
func (e *checksumElements) of(a checksum.Algorithm) string { return *e.element(a) }

// owner of a bucket or an object. S3 no longer reports display names (ListBuckets, "Owner").
type owner struct{ ID string }

// canonicalID stands for the canonical user ID of an account, which AWS derives by a secret rule: 64 hexadecimal digits
// (finding-canonical-user-id).
func canonicalID(account string) string {
	sum := sha256.Sum256([]byte("canonical user " + account))
	return hex.EncodeToString(sum[:])
}

func ownerOf(account string) *owner { return &owner{canonicalID(account)} }

// classOf is a storage class as listings report it.
func classOf(class string) string {
	if class == "" {
		return "STANDARD"
	}
	return class
}
