package artifacts

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/clusters/emulator/control"
)

// Limits of excerpts: people read them in a terminal, and each failed spec has several.
const (
	maxPods      = 2
	maxLines     = 12
	maxLine      = 400
	excerptLimit = 4 << 10
)

// podNames are the texts by which a log may name a pod, besides its namespace.
func podNames(pod *corev1.Pod) []string {
	var names []string
	for _, name := range []string{string(pod.UID), pod.Status.PodIP} {
		if name != "" && !pod.Spec.HostNetwork {
			names = append(names, name)
		}
	}
	return names
}

func inNamespace(pods []*corev1.Pod, namespace string) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(pod *corev1.Pod) bool { return pod.Namespace != namespace })
}

// line is one line of a log: its text, and the part that is shown.
type line struct{ whole, shown string }

// callLines returns the calls that AWS received, for people. The reason why a call was allowed is not shown.
func callLines(calls []control.Call, redact func(string) string) []line {
	var lines []line
	for _, call := range calls {
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s %s: %d", call.Time.UTC().Format(clock), call.Service, call.Operation, call.Status)
		for _, detail := range []struct{ before, text string }{
			{" ", call.ErrorCode}, {" about ", call.Subject}, {" by ", withoutPartition(call.Principal)}, {" from ", call.SourceIP}, {" fault ", call.Fault},
		} {
			if detail.text != "" {
				b.WriteString(detail.before + detail.text)
			}
		}
		shown := line{shown: redact(b.String())}
		shown.whole = shown.shown
		if call.Decision != "" {
			shown.whole = redact(b.String() + ": " + call.Decision)
		}
		if call.Status >= 400 {
			shown.shown = shown.whole
		}
		lines = append(lines, shown)
	}
	return lines
}

// logLines are the lines of a log without secrets.
func logLines(log string) []line {
	var lines []line
	for text := range strings.Lines(log) {
		if text = strings.TrimRight(text, "\r\n"); text != "" {
			lines = append(lines, line{text, readable(text)})
		}
	}
	return lines
}

// clock shows the time of a line in the form of all excerpts.
const clock = "15:04:05.000"

// withoutPartition is the last part of an ARN, such as user/admin.
func withoutPartition(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// readable turns a JSON line of a structured log into one for people: time, level, message, and the other fields as
// key=value. Other lines stay unchanged.
func readable(line string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(line), &fields) != nil {
		return line
	}
	var parts []string
	for _, names := range [][]string{{"time", "ts", "timestamp"}, {"level"}, {"msg", "message"}} {
		for _, name := range names {
			text, ok := fields[name].(string)
			if !ok {
				continue
			}
			if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
				text = at.UTC().Format(clock)
			}
			parts = append(parts, text)
			delete(fields, name)
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		parts = append(parts, fmt.Sprintf("%s=%v", name, fields[name]))
	}
	return strings.Join(parts, " ")
}

// linesAbout returns the last lines of a log that contain one of the names. If none does, it says so with the log's last
// line, because silence means something only if the program logged at all.
func linesAbout(lines []line, names []string) string {
	var about []string
	for _, line := range lines {
		if slices.ContainsFunc(names, func(name string) bool { return holds(line.whole, name) }) {
			about = append(about, line.shown)
		}
	}
	switch {
	case len(lines) == 0:
		return ""
	case len(about) == 0 && len(lines) == 1:
		return shorten(lines[0].shown)
	case len(about) == 0:
		return fmt.Sprintf("nothing about this spec in %d lines; the last one:\n%s", len(lines), shorten(lines[len(lines)-1].shown))
	}
	return lastLines(about)
}

// holds says whether the line contains the name as a whole: 10.0.0.1 is not in 10.0.0.12.
func holds(line, name string) bool {
	for rest, offset := line, 0; ; {
		i := strings.Index(rest, name)
		if i < 0 {
			return false
		}
		start, end := offset+i, offset+i+len(name)
		if (start == 0 || !alphanumeric(line[start-1])) && (end == len(line) || !alphanumeric(line[end])) {
			return true
		}
		rest, offset = line[end:], end
	}
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// lastLines returns the last of the lines, each of bounded length.
func lastLines(lines []string) string {
	left := max(0, len(lines)-maxLines)
	lines = slices.Clone(lines[left:])
	for i, line := range lines {
		lines[i] = shorten(line)
	}
	for size(lines) > excerptLimit {
		lines, left = lines[1:], left+1
	}
	if left > 0 {
		lines = append([]string{fmt.Sprintf("[… %d lines before]", left)}, lines...)
	}
	return strings.Join(lines, "\n")
}

func size(lines []string) int {
	n := 0
	for _, line := range lines {
		n += len(line) + 1
	}
	return n
}

func shorten(line string) string {
	if len(line) <= maxLine {
		return line
	}
	return strings.ToValidUTF8(line[:maxLine], "") + " …"
}

// beginning returns as many whole lines of a text as fit into an excerpt.
func beginning(text string) string {
	if len(text) <= excerptLimit {
		return text
	}
	kept := text[:excerptLimit]
	if i := strings.LastIndexByte(kept, '\n'); i > 0 {
		kept = kept[:i]
	}
	return fmt.Sprintf("%s\n[… %d bytes more]", kept, len(text)-len(kept))
}
