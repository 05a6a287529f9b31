package s3

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// backend is the library's memory with its own idea of metadata set right: there, an object that is
// written again keeps what the new one does not set. S3 replaces metadata with the object
// (PutObject), so all of it goes in under one key.
type backend struct{ gofakes3.Backend }

const metadataKey = "epi"

func (b backend) PutObject(bucket, key string, metadata map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	packed, err := json.Marshal(metadata)
	if err != nil {
		return gofakes3.PutObjectResult{}, fmt.Errorf("pack metadata of %s/%s: %w", bucket, key, err)
	}
	return b.Backend.PutObject(bucket, key, map[string]string{metadataKey: string(packed)}, input, size, conditions)
}

func (b backend) GetObject(bucket, key string, wanted *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	found, err := b.Backend.GetObject(bucket, key, wanted)
	return unpack(found, err)
}

func (b backend) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	found, err := b.Backend.HeadObject(bucket, key)
	return unpack(found, err)
}

func unpack(found *gofakes3.Object, err error) (*gofakes3.Object, error) {
	if err != nil {
		return nil, err
	}
	metadata := map[string]string{}
	if err := json.Unmarshal([]byte(found.Metadata[metadataKey]), &metadata); err != nil {
		return nil, fmt.Errorf("unpack metadata of %s: %w", found.Name, err)
	}
	found.Metadata = metadata
	return found, nil
}

// CopyObject drops the header that asked for the copy: it is no metadata.
func (b backend) CopyObject(fromBucket, from, toBucket, to string, metadata map[string]string) (gofakes3.CopyObjectResult, error) {
	kept := maps.Clone(metadata)
	delete(kept, "X-Amz-Copy-Source")
	return gofakes3.CopyObject(b, fromBucket, from, toBucket, to, kept)
}

// ListBucket keeps to the prefix that was decided on: with a delimiter, the library takes a leading
// slash as no part of it.
func (b backend) ListBucket(bucket string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	list, err := b.Backend.ListBucket(bucket, prefix, page)
	if err != nil || prefix == nil || prefix.Prefix == "" {
		return list, err
	}
	list.Contents = slices.DeleteFunc(list.Contents, func(c *gofakes3.Content) bool { return !strings.HasPrefix(c.Key, prefix.Prefix) })
	list.CommonPrefixes = slices.DeleteFunc(list.CommonPrefixes, func(c gofakes3.CommonPrefix) bool { return !strings.HasPrefix(c.Prefix, prefix.Prefix) })
	return list, nil
}

// find returns what is known of an object, without its contents.
func (b backend) find(bucket, key string) (*gofakes3.Object, bool) {
	found, err := b.HeadObject(bucket, key)
	if err != nil {
		return nil, false
	}
	_ = found.Contents.Close() // there is nothing in it to close
	return found, true
}
