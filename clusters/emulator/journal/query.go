package journal

import "strings"

// Query says which calls are wanted. An empty field does not restrict.
type Query struct {
	// Service, Operation, Token, ErrorCode and Fault are as in Call.
	Service, Operation, Token, ErrorCode, Fault string
	// Principal is an ARN, or the beginning of one and a "*".
	Principal string
	// SubjectPrefix is what the subject begins with, such as "cluster/namespace/".
	SubjectPrefix string
	// Succeeded leaves out calls with an error answer or without an answer.
	Succeeded bool
	// After is the number of the last call that is not wanted; 0 for none.
	After uint64
}

func (q *Query) matches(call *Call) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	if prefix, ok := strings.CutSuffix(q.Principal, "*"); ok {
		if !strings.HasPrefix(call.Principal, prefix) {
			return false
		}
	} else if !is(q.Principal, call.Principal) {
		return false
	}
	return call.Seq > q.After &&
		is(q.Service, call.Service) && is(q.Operation, call.Operation) && is(q.Token, call.Token) &&
		is(q.ErrorCode, call.ErrorCode) && is(q.Fault, call.Fault) &&
		strings.HasPrefix(call.Subject, q.SubjectPrefix) &&
		(!q.Succeeded || call.ErrorCode == "" && call.Status < 400)
}
