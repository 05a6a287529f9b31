package s3

import (
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"strconv"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

// maxPage is the largest page of a listing.
const maxPage = 1000

// limit reads how many items a page may have.
func (q *request) limit(name string, most int) (int, error) {
	values, ok := q.query[name]
	if !ok || values[0] == "" {
		return most, nil
	}
	n, err := strconv.ParseInt(values[0], 10, 32)
	if err != nil || n < 0 {
		return 0, invalidArgument("Argument " + name + " must be an integer between 0 and 2147483647")
	}
	return min(int(n), most), nil
}

// encoding of keys in an answer. XML lacks some characters that a key can have (ListObjectsV2, encoding-type).
type encoding bool

func (q *request) encoding() (encoding, error) {
	switch q.query.Get("encoding-type") {
	case "":
		return false, nil
	case "url":
		return true, nil
	}
	return false, invalidArgument("Invalid Encoding Method specified in Request")
}

func (e encoding) name() string {
	if e {
		return "url"
	}
	return ""
}

func (e encoding) text(key string) text {
	if !e {
		return text(key)
	}
	return text(strings.ReplaceAll(url.QueryEscape(key), "%2F", "/"))
}

// listRequest reads the parameters that all listings of keys have.
func (q *request) listRequest() (list objects.List, e encoding, err error) {
	if e, err = q.encoding(); err != nil {
		return list, e, err
	}
	list = objects.List{Prefix: q.query.Get("prefix"), Delimiter: q.query.Get("delimiter")}
	list.Max, err = q.limit("max-keys", maxPage)
	return list, e, err
}

type commonPrefix struct{ Prefix text }

type content struct {
	Key               text
	LastModified      string
	ETag              string
	ChecksumAlgorithm checksum.Algorithm
	ChecksumType      checksum.Type
	Size              int
	StorageClass      string
	Owner             *owner `xml:",omitempty"`
}

// listed has the fields that the answers of ListObjects and ListObjectsV2 share.
type listed struct {
	Name           string
	Prefix         text
	Delimiter      text `xml:",omitempty"`
	MaxKeys        int
	EncodingType   string `xml:",omitempty"`
	IsTruncated    bool
	Contents       []content
	CommonPrefixes []commonPrefix
}

func (h *handler) list(q *request, list objects.List, e encoding, of *owner) (answer listed, last string, err error) {
	page, err := h.store.List(q.bucket, list)
	if err != nil {
		return listed{}, "", q.refusal(err)
	}
	answer = listed{
		Name: q.bucket, Prefix: e.text(list.Prefix), Delimiter: e.text(list.Delimiter), MaxKeys: list.Max, EncodingType: e.name(), IsTruncated: page.Truncated,
	}
	for _, item := range page.Items {
		if item.Version == nil {
			answer.CommonPrefixes = append(answer.CommonPrefixes, commonPrefix{e.text(item.Prefix)})
			last = item.Prefix
			continue
		}
		v := item.Version
		answer.Contents = append(answer.Contents, content{
			Key: e.text(v.Key), LastModified: timestamp(v.Modified), ETag: quoted(v.ETag), ChecksumAlgorithm: v.Checksum.Algorithm, ChecksumType: v.Checksum.Type,
			Size: len(v.Data), StorageClass: classOf(v.StorageClass), Owner: of,
		})
		last = v.Key
	}
	return answer, last, nil
}

func (h *handler) listObjects(q *request) error {
	list, e, err := q.listRequest()
	if err != nil {
		return err
	}
	list.After = q.query.Get("marker")
	answer, last, err := h.list(q, list, e, ownerOf(q.target.Owner))
	if err != nil {
		return err
	}
	body := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		listed
		Marker     text
		NextMarker text `xml:",omitempty"`
	}{listed: answer, Marker: e.text(list.After)}
	if answer.IsTruncated && list.Delimiter != "" {
		body.NextMarker = e.text(last) // without a delimiter, the last key is the marker
	}
	return writeXML(q.w, body)
}

func (h *handler) listObjectsV2(q *request) error {
	list, e, err := q.listRequest()
	if err != nil {
		return err
	}
	startAfter, token := q.query.Get("start-after"), q.query.Get("continuation-token")
	list.After = startAfter
	if q.query.Has("continuation-token") {
		if list.After, err = readToken(token); err != nil {
			return err
		}
	}
	var of *owner
	if q.query.Get("fetch-owner") == "true" {
		of = ownerOf(q.target.Owner)
	}
	answer, last, err := h.list(q, list, e, of)
	if err != nil {
		return err
	}
	body := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		listed
		KeyCount              int
		StartAfter            text   `xml:",omitempty"`
		ContinuationToken     string `xml:",omitempty"`
		NextContinuationToken string `xml:",omitempty"`
	}{listed: answer, KeyCount: len(answer.Contents) + len(answer.CommonPrefixes), StartAfter: e.text(startAfter), ContinuationToken: token}
	if answer.IsTruncated {
		body.NextContinuationToken = tokenAfter(last)
	}
	return writeXML(q.w, body)
}

// tokenPrefix distinguishes a continuation token from other text.
const tokenPrefix = "1:"

// tokenAfter is the continuation token after an item.
func tokenAfter(last string) string {
	return base64.URLEncoding.EncodeToString([]byte(tokenPrefix + last))
}

func readToken(token string) (string, error) {
	decoded, err := base64.URLEncoding.DecodeString(token)
	last, ok := strings.CutPrefix(string(decoded), tokenPrefix)
	if err != nil || !ok {
		return "", invalidArgument("The continuation token provided is incorrect")
	}
	return last, nil
}

type version struct {
	Key               text
	VersionID         string `xml:"VersionId"`
	IsLatest          bool
	LastModified      string
	ETag              string             `xml:",omitempty"`
	ChecksumAlgorithm checksum.Algorithm `xml:",omitempty"`
	ChecksumType      checksum.Type      `xml:",omitempty"`
	Size              *int
	StorageClass      string `xml:",omitempty"`
	Owner             *owner
	marker            bool
}

// versions and delete markers in one order.
type versions []version

// MarshalXML gives each element the name of its kind.
func (v versions) MarshalXML(encoder *xml.Encoder, _ xml.StartElement) error {
	for _, one := range v {
		name := "Version"
		if one.marker {
			name = "DeleteMarker"
		}
		if err := encoder.EncodeElement(one, xml.StartElement{Name: xml.Name{Local: name}}); err != nil {
			return err
		}
	}
	return nil
}

type versionsResult struct {
	XMLName             xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
	Name                string
	Prefix              text
	Delimiter           text `xml:",omitempty"`
	KeyMarker           text
	VersionIDMarker     string `xml:"VersionIdMarker"`
	NextKeyMarker       text   `xml:",omitempty"`
	NextVersionIDMarker string `xml:"NextVersionIdMarker,omitempty"`
	MaxKeys             int
	EncodingType        string `xml:",omitempty"`
	IsTruncated         bool
	Versions            versions
	CommonPrefixes      []commonPrefix
}

func (h *handler) listObjectVersions(q *request) error {
	list, e, err := q.listRequest()
	if err != nil {
		return err
	}
	list.After = q.query.Get("key-marker")
	marker := q.query.Get("version-id-marker")
	switch {
	case q.query.Has("version-id-marker") && list.After == "":
		return invalidArgument("A version-id marker cannot be specified without a key marker.")
	case q.query.Has("version-id-marker") && marker == "":
		return invalidArgument("A version-id marker cannot be empty.")
	}
	page, err := h.store.ListVersions(q.bucket, list, marker)
	if err != nil {
		return q.refusal(err)
	}
	body := versionsResult{
		Name: q.bucket, Prefix: e.text(list.Prefix), Delimiter: e.text(list.Delimiter), KeyMarker: e.text(list.After), VersionIDMarker: marker,
		MaxKeys: list.Max, EncodingType: e.name(), IsTruncated: page.Truncated,
	}
	of := ownerOf(q.target.Owner)
	for n, item := range page.Items {
		last := page.Truncated && n == len(page.Items)-1
		if item.Version == nil {
			body.CommonPrefixes = append(body.CommonPrefixes, commonPrefix{e.text(item.Prefix)})
			if last {
				body.NextKeyMarker = e.text(item.Prefix)
			}
			continue
		}
		body.Versions = append(body.Versions, versionOf(item, e, of))
		if last {
			body.NextKeyMarker, body.NextVersionIDMarker = e.text(item.Key), item.ID
		}
	}
	return writeXML(q.w, body)
}

func versionOf(item objects.Item, e encoding, of *owner) version {
	v := item.Version
	one := version{
		Key: e.text(v.Key), VersionID: v.ID, IsLatest: item.Latest, LastModified: timestamp(v.Modified), Owner: of, marker: v.DeleteMarker,
	}
	if v.DeleteMarker {
		return one
	}
	size := len(v.Data)
	one.ETag, one.Size, one.StorageClass = quoted(v.ETag), &size, classOf(v.StorageClass)
	one.ChecksumAlgorithm, one.ChecksumType = v.Checksum.Algorithm, v.Checksum.Type
	return one
}
