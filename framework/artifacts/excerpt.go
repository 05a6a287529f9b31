package artifacts

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/clusters/emulator/control"
)

// Limits of excerpts: somebody reads them in a terminal, and each failed spec has some.
const (
	maxPods      = 2
	maxLines     = 12
	maxLine      = 400
	excerptLimit = 4 << 10
)

// podNames are by what a log may call a pod beside its namespace.
func podNames(pod *corev1.Pod) []string {
	var names []string
	for _, name := range []string{string(pod.UID), pod.Status.PodIP} {
		if name != "" && !pod.Spec.HostNetwork {
			names = append(names, name)
		}
	}
	return names
}

func inNamespaces(pods []*corev1.Pod, namespaces []string) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(pod *corev1.Pod) bool { return !slices.Contains(namespaces, pod.Namespace) })
}

// callLines is the calls that AWS got as people read them.
func callLines(calls []control.Call) string {
	var b strings.Builder
	for _, call := range calls {
		fmt.Fprintf(&b, "%s %s %s -> %d", call.Time.UTC().Format("15:04:05.000"), call.Service, call.Operation, call.Status)
		for _, detail := range []struct{ before, text string }{
			{" ", call.ErrorCode}, {" about ", call.Subject}, {" by ", call.Principal}, {" from ", call.SourceIP}, {" fault ", call.Fault}, {": ", call.Decision},
		} {
			if detail.text != "" {
				b.WriteString(detail.before + detail.text)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// linesAbout are the last lines of a log that hold one of the names. Where none does it says so,
// with the last line: silence tells something only if the program spoke at all.
func linesAbout(log string, names []string) string {
	var about []string
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for _, line := range lines {
		if slices.ContainsFunc(names, func(name string) bool { return holds(line, name) }) {
			about = append(about, line)
		}
	}
	switch {
	case strings.TrimSpace(log) == "":
		return ""
	case len(about) == 0 && len(lines) == 1:
		return shorten(lines[0])
	case len(about) == 0:
		return fmt.Sprintf("nothing about this spec in %d lines; the last one:\n%s", len(lines), shorten(lines[len(lines)-1]))
	}
	return lastLines(strings.Join(about, "\n"))
}

// holds says whether the line has the name as a whole: 10.0.0.1 is not in 10.0.0.12.
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

// lastLines are the last lines of a text, each of bounded length.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
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

// beginning is as much of a text as an excerpt takes, in whole lines.
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
