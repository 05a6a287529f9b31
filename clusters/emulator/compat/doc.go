// Package compat keeps the table of what the emulator accepts and refuses, COMPATIBILITY.md. Its test
// sends every case through the emulator's front door and writes down what came back on the wire.
//
// To add a case, add an element to the list in cases_SERVICE_test.go:
//
//	{"iam", "GetRole", "a role that does not exist", refused(404, "NoSuchEntity"), func(ctx context.Context, f *fixture) error {
//		return last(f.Admin().IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: &f.Name}))
//	}},
//
// The third field reports the input to people; the fourth what must come back: accepted, or refused with HTTP
// status and code as they are on the wire (the code is "" where there is no body, as with HEAD). The
// function's last request is the one that counts, and the journal must say that it was this operation;
// what the function needs before that it makes with the fixture's methods, under names that begin with
// f.Name, or with clients and f.must. The state is shared by all cases, so names must not be. An input
// that no SDK sends goes through f.Send. Then run
//
//	go test ./clusters/emulator/compat -update
//
// An operation that is new to its service goes into operations_test.go too, and needs an accepted and a
// refused case.
package compat
