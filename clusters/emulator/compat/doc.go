// Package compat has the table of what the emulator accepts and refuses, COMPATIBILITY.md. Its test sends every case to the
// emulator over HTTP and records the answer on the wire.
//
// To add a case, add an element to the list in cases_SERVICE_test.go:
//
//	{"iam", "GetRole", "a role that does not exist", refused(404, "NoSuchEntity"), func(ctx context.Context, f *fixture) error {
//		return last(f.Admin().IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: &f.Name}))
//	}},
//
// The third field describes the input for people. The fourth is the expected answer: accepted, or refused with HTTP status
// and code as they are on the wire (the code is "" where there is no body, as with HEAD). The function's last request
// counts, and the journal must say that it was this operation. The function creates what it needs before that with the
// fixture's methods, under names that begin with f.Name, or with clients and f.must. All cases share the state, so they
// must not share names. An input that no SDK sends goes through f.Send. Then run
//
//	go test ./clusters/emulator/compat -update
//
// A new operation of a service also goes into operations_test.go, and needs an accepted and a refused case.
package compat
