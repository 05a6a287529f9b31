package compat

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/s3"
)

// row is the observation of one case.
type row struct {
	service, operation, input string
	answer
}

// titles are the services' names for people. They determine the order of the table.
var titles = map[string]string{
	"cloudformation": "CloudFormation", "ec2": "EC2", "ecr": "ECR", "eks": "EKS", "eks-auth": "EKS Auth", "iam": "IAM", "sts": "STS", "s3": "S3", "imds": "Instance metadata",
}

const preamble = `# What the emulator accepts and refuses

Written by a test: every line is a request that an AWS client sent through the emulator's front door, with the status and
the error code that came back on the wire. A dash in place of a code is an answer that has none: success, or a refusal
without a body (HEAD).
`

// render makes the table, by service and operation, with accepted inputs before refused ones.
func render(rows []row) string {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(
			cmp.Compare(titles[a.service], titles[b.service]), cmp.Compare(a.operation, b.operation),
			cmp.Compare(class(a), class(b)), cmp.Compare(a.status, b.status), cmp.Compare(a.code, b.code), cmp.Compare(a.input, b.input),
		)
	})
	var summary, tables strings.Builder
	for service := range slices.Values(services(rows)) {
		if titles[service] == "" {
			panic("service " + service + " has no title: its rows would be mixed with others'")
		}
		own := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.service != service })
		operations, accepted := map[string]bool{}, 0
		fmt.Fprintf(&tables, "\n## %s\n\n| Operation | Input | Status | Code |\n|---|---|---|---|\n", titles[service])
		for _, r := range own {
			if r.operation != anyOperation {
				operations[r.operation] = true
			}
			accepted += 1 - class(r)
			fmt.Fprintf(&tables, "| %s | %s | %d | %s |\n", r.operation, escape(r.input), r.status, cmp.Or(r.code, "-"))
		}
		fmt.Fprintf(&summary, "| %s | %d | %d | %d |\n", titles[service], len(operations), accepted, len(own)-accepted)
	}
	return preamble + "\n| Service | Operations | Accepted inputs | Refused inputs |\n|---|---|---|---|\n" + summary.String() + scope(rows) + tables.String()
}

// scope lists the features of S3 that the emulator lacks, if the table has S3.
func scope(rows []row) string {
	if !slices.ContainsFunc(rows, func(r row) bool { return r.service == "s3" }) {
		return ""
	}
	var list strings.Builder
	list.WriteString("\n## What of S3 is out of scope\n\nThese are refused with 501 NotImplemented, whoever asks. All other parameters of a query that an operation does not have\nare ignored, as S3 ignores them.\n\n| Feature | Refused |\n|---|---|\n")
	for _, feature := range s3.Scope() {
		var requests []string
		for _, request := range feature.Requests {
			requests = append(requests, request.Text())
		}
		fmt.Fprintf(&list, "| %s | %s |\n", feature.Feature, escape(strings.Join(requests, "; ")))
	}
	return list.String()
}

// class is 0 for accepted and 1 for refused.
func class(r row) int {
	if r.accepted() {
		return 0
	}
	return 1
}

// services returns those of sorted rows, in their order.
func services(rows []row) []string {
	var names []string
	for _, r := range rows {
		names = append(names, r.service)
	}
	return slices.Compact(names)
}

func escape(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func TestRender(t *testing.T) {
	got := render([]row{
		{"sts", "GetCallerIdentity", "x", answer{200, ""}},
		{"iam", "GetRole", "a|b", answer{404, "NoSuchEntity"}},
		{"iam", "GetRole", "z", answer{200, ""}},
		{"iam", anyOperation, "no signature", answer{403, ""}},
	})
	want := preamble + `
| Service | Operations | Accepted inputs | Refused inputs |
|---|---|---|---|
| IAM | 1 | 1 | 2 |
| STS | 1 | 1 | 0 |

## IAM

| Operation | Input | Status | Code |
|---|---|---|---|
| (any) | no signature | 403 | - |
| GetRole | z | 200 | - |
| GetRole | a\|b | 404 | NoSuchEntity |

## STS

| Operation | Input | Status | Code |
|---|---|---|---|
| GetCallerIdentity | x | 200 | - |
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}
