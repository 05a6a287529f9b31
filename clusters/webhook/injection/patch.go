package injection

import "github.com/podidentity/epi/clusters/webhook/rawjson"

// operation is one operation of a JSON patch. Value is any value that JSON can encode, or objects that were read.
type operation struct {
	Op, Path string
	Value    any
}

// additionsSize is the approximate size of the operations, besides the pod's own content, with 3 containers.
const additionsSize = 2 << 10

// encodePatch encodes the operations on a pod of a size in bytes.
func encodePatch(operations []operation, podSize int) []byte {
	out := append(make([]byte, 0, podSize+additionsSize), '[')
	for n, o := range operations {
		if n > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, `{"op":"`...), o.Op...), `","path":`...)
		out = append(rawjson.AppendText(out, o.Path), `,"value":`...)
		switch value := o.Value.(type) {
		case []object:
			out = appendObjects(out, value)
		case string:
			out = rawjson.AppendText(out, value)
		default:
			out = append(out, mustEncode(value)...)
		}
		out = append(out, '}')
	}
	return append(out, ']')
}

func appendObjects(out []byte, objects []object) []byte {
	out = append(out, '[')
	for n, o := range objects {
		if n > 0 {
			out = append(out, ',')
		}
		out = o.appendTo(out)
	}
	return append(out, ']')
}
