package runner

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/format"
	"github.com/onsi/gomega/types"
)

// goSyntax matches what no text for people may contain.
var goSyntax = regexp.MustCompile(`0x[0-9a-f]{6,}|<[\w.*\[\]{}]+(?: \| [^>]*)?>|map\[|&\{|&\w+\.\w+\{|&\w+\{|\x1e|\x1f`)

type answer9 struct {
	Status int
	Body   string
	Err    error `json:",omitempty"`
	Next   *answer9
}

// TestTextsOfFailures makes Gomega write every kind of failure that suites have.
func TestTextsOfFailures(t *testing.T) {
	key := format.RegisterCustomFormatter(readable)
	defer format.UnregisterCustomFormatter(key)
	refused := fmt.Errorf("operation error S3: HeadObject, %w", &smithy.GenericAPIError{Code: "Forbidden", Message: "no"})
	name := "reader"
	at := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	for title, row := range map[string]struct {
		fails func(g Gomega)
		want  string
	}{
		"number":    {func(g Gomega) { g.Expect(0).To(BeNumerically(">", 0)) }, "expected 0 to be > 0"},
		"equal":     {func(g Gomega) { g.Expect("two").To(Equal("one")) }, "expected two to equal one"},
		"described": {func(g Gomega) { g.Expect(3).To(Equal(4), "calls of pod %s", name) }, "calls of pod reader\nexpected 3 to equal 4"},
		"an error":  {func(g Gomega) { g.Expect(refused).NotTo(HaveOccurred()) }, "unexpected error: operation error S3: HeadObject, api error Forbidden: no"},
		"a refusal of AWS": {func(g Gomega) {
			g.Expect(errors.New("operation error S3: GetObject, https response error StatusCode: 403, RequestID: 5f4dc78d-d450, HostID: 5f4d, api error AccessDenied: User: u is not authorized")).To(Succeed())
		}, "expected success, but got: AccessDenied of S3 GetObject (status 403, request 5f4dc78d-d450): User: u is not authorized"},
		"a refusal with a type": {func(g Gomega) {
			g.Expect(errors.New("operation error EKS Auth: AssumeRoleForPodIdentity, exceeded maximum number of attempts, 3, https response error StatusCode: 400, RequestID: 1, ExpiredTokenException: old")).To(Succeed())
		}, "expected success, but got: ExpiredTokenException of EKS Auth AssumeRoleForPodIdentity (status 400, request 1): old"},
		"no success":       {func(g Gomega) { g.Expect(refused).To(Succeed()) }, "expected success, but got: operation error S3: HeadObject, api error Forbidden: no"},
		"joined errors":    {func(g Gomega) { g.Expect(errors.Join(refused, errors.New("and more"))).To(Succeed()) }, "expected success, but got: operation error S3: HeadObject, api error Forbidden: no and more"},
		"no error":         {func(g Gomega) { g.Expect(nil).To(MatchError("x")) }, ""},
		"a map":            {func(g Gomega) { g.Expect(map[string]int{"refused": 4500}).To(BeEmpty()) }, `expected {"refused":4500} to be empty`},
		"a map's key":      {func(g Gomega) { g.Expect(map[string]string{"a": "b"}).To(HaveKeyWithValue("a", "c")) }, ""},
		"a list":           {func(g Gomega) { g.Expect([]string{"a", "b"}).To(ConsistOf("a", "c")) }, ""},
		"an empty list":    {func(g Gomega) { g.Expect([]string{}).To(ContainElement("a")) }, ""},
		"no list":          {func(g Gomega) { g.Expect([]string(nil)).To(HaveLen(2)) }, ""},
		"a struct":         {func(g Gomega) { g.Expect(answer9{Status: 200}).To(Equal(answer9{Status: 400, Body: "no"})) }, `expected {"Body":"","Status":200} to equal {"Body":"no","Status":400}`},
		"a pointer":        {func(g Gomega) { g.Expect(&answer9{Status: 200, Next: &answer9{}}).To(BeNil()) }, ""},
		"a string's":       {func(g Gomega) { g.Expect(&name).To(HaveValue(Equal("writer"))) }, "expected reader to equal writer"},
		"an error field":   {func(g Gomega) { g.Expect(answer9{Err: refused}).To(HaveField("Err", BeNil())) }, ""},
		"a list of errors": {func(g Gomega) { g.Expect([]error{refused}).To(BeEmpty()) }, ""},
		"a time":           {func(g Gomega) { g.Expect(at).To(BeTemporally(">", at.Add(time.Hour))) }, "expected 2026-11-23T14:00:00Z to be > 2026-11-23T15:00:00Z"},
		"a duration":       {func(g Gomega) { g.Expect(3 * time.Second).To(BeNumerically("<", time.Second)) }, "expected 3s to be < 1s"},
		"truth":            {func(g Gomega) { g.Expect(false).To(BeTrue()) }, "expected false to be true"},
		"nothing":          {func(g Gomega) { var none *answer9; g.Expect(none).NotTo(BeNil()) }, ""},
		"a function":       {func(g Gomega) { g.Expect(func() {}).To(BeNil()) }, ""},
		"both":             {func(g Gomega) { g.Expect(5).To(And(BeNumerically(">", 1), BeNumerically("<", 3))) }, "expected 5 to be < 3"},
		"text":             {func(g Gomega) { g.Expect("status 400: no such pod").To(ContainSubstring("credentials")) }, `expected status 400: no such pod to contain substring credentials`},
		"a form":           {func(g Gomega) { g.Expect("abc").To(MatchRegexp("^x+$")) }, "expected abc to match regular expression ^x+$"},
		"bytes":            {func(g Gomega) { g.Expect([]byte("abc")).To(Equal([]byte("abd"))) }, ""},
		"waited": {func(g Gomega) {
			g.Eventually(func() int { return 0 }).WithTimeout(2 * time.Millisecond).WithPolling(time.Millisecond).Should(Equal(1))
		}, "expected 0 to equal 1\n(for 0."},
		"waited for an error to end": {func(g Gomega) {
			g.Eventually(func() error { return refused }).WithTimeout(2 * time.Millisecond).WithPolling(time.Millisecond).Should(Succeed())
		}, "api error Forbidden: no\n(for 0."},
		"waited for assertions": {func(g Gomega) {
			g.Eventually(func(g Gomega) { g.Expect(map[string]int{"a": 1}).To(HaveKey("b")) }).WithTimeout(2 * time.Millisecond).WithPolling(time.Millisecond).Should(Succeed())
		}, "(for 0."},
		"it did not last": {func(g Gomega) {
			n := 0
			g.Consistently(func() int { n++; return n }).WithTimeout(5 * time.Millisecond).WithPolling(time.Millisecond).Should(BeNumerically("<", 2))
		}, "to be < 2\n(after 0."},
		"our own, with a map": {func(g Gomega) {
			g.Expect(true).To(says(fmt.Sprintf("%v", map[string]int{"refused": 4500, "timeout": 2})))
		}, "the agent refused: refused: 4500, timeout: 2"},
		"our own, with a pointer": {func(g Gomega) { g.Expect(true).To(says(fmt.Sprintf("%+v", &answer9{Status: 1, Next: &answer9{}}))) }, "the agent refused: {Status:1"},
		"our own, with Go":        {func(g Gomega) { g.Expect(true).To(says(fmt.Sprintf("%#v", &smithy.GenericAPIError{Code: "x"}))) }, `the agent refused: {Code:"x"`},
	} {
		t.Run(title, func(t *testing.T) {
			var said string
			g := NewGomega(func(message string, _ ...int) { said = message })
			row.fails(g)
			if said == "" {
				t.Fatal("nothing failed")
			}
			text := tidy(said)
			if found := goSyntax.FindString(text); found != "" {
				t.Errorf("it has %q:\n%s\nof:\n%q", found, text, said)
			}
			if !strings.Contains(text, row.want) {
				t.Errorf("want %q in:\n%s\nof:\n%q", row.want, text, said)
			}
		})
	}
}

// says is a matcher that never holds, with a given text.
type says string

var _ types.GomegaMatcher = says("")

func (says) Match(any) (bool, error)            { return false, nil }
func (s says) FailureMessage(any) string        { return "the agent refused: " + string(s) }
func (s says) NegatedFailureMessage(any) string { return string(s) }

// Texts that people wrote stay unchanged.
func TestTidyLeavesPlainTexts(t *testing.T) {
	for _, text := range []string{
		"expected credentials, with status 200\n     got status 400: Service account token cannot be empty",
		"create bucket: no answer", "", "a <html> page: x", "remove role r: in use\nat a.go:1",
		"status 404: <!DOCTYPE html><p>no",
	} {
		if got := tidy(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func FuzzTidy(f *testing.F) {
	f.Add("Expected\n    <int>: 0\nto be >\n    <int>: 0")
	f.Add("Unexpected error:\n    <*errors.errorString | 0xc000012345>: \n    x\n    {s: \"x\"}\noccurred")
	f.Add("map[a:b c:map[d:e]] &{x} <<-chan int | len:0, cap:0>: 0xc000123456")
	f.Fuzz(func(t *testing.T, text string) {
		if got := tidy(text); goMap.MatchString(got) {
			t.Errorf("%q became %q", text, got)
		}
	})
}
