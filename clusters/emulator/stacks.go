package emulator

import (
	"bytes"
	"context"
	"net/http"
	"net/netip"

	"github.com/google/uuid"

	"github.com/podidentity/epi/clusters/emulator/cloudformation"
	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/query"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
	"github.com/podidentity/epi/clusters/emulator/store"
)

// accountStacks has the CloudFormation of each account by its ID. A caller reaches that of its own account.
type accountStacks map[string]*cloudformation.Service

func (e *Emulator) newStacks(c *cloud, tables map[string]store.Table) (accountStacks, error) {
	all := accountStacks{}
	for _, account := range append([]string{e.options.Account}, e.options.Members...) {
		table := tables["cloudformation"]
		if account != e.options.Account {
			table = tables[memberTable("cloudformation", account)]
		}
		var err error
		all[account], err = cloudformation.New(cloudformation.Options{
			Region: e.options.Region, Account: account, Authorizer: authorizer{c.accounts, account}, Requests: requests{e, c}, Now: e.options.Now, Table: table,
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ServeHTTP serves a request. Its caller, which is of one of the accounts, is in the context.
func (a accountStacks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a[iam.CallerFrom(r.Context()).Principal.AccountID].ServeHTTP(w, r)
}

func refuseStacks(w http.ResponseWriter, r *http.Request, err *sigv4.Error) {
	query.WriteError(w, r, "http://cloudformation.amazonaws.com/doc/2010-05-15/", iam.SignatureError(err))
}

// requests is cloudformation.Requests.
type requests struct {
	emulator *Emulator
	cloud    *cloud
}

func (r requests) Caller(ctx context.Context) cloudformation.Caller {
	caller := iam.CallerFrom(ctx)
	out := cloudformation.Caller{AccessKeyID: caller.AccessKeyID, SessionToken: caller.SessionToken}
	if caller.SourceIP.IsValid() {
		out.SourceIP = caller.SourceIP.String()
	}
	return out
}

// Send serves an unsigned request, whose sender was verified with the stack's request. The journal shows the service's name
// as its address, as CloudTrail does.
func (r requests) Send(ctx context.Context, from cloudformation.Caller, service string, request *http.Request) (status int, header http.Header, body []byte) {
	call := &journal.Call{Time: r.emulator.options.Now(), RequestID: uuid.NewString(), Service: service, SourceIP: cloudformation.Principal}
	answer := &answer{header: http.Header{}, status: http.StatusOK}
	defer func() {
		// A fault ends the connection by a panic.
		if panicked := recover(); panicked != nil && panicked != http.ErrAbortHandler { //nolint:errorlint // panics with this value
			panic(panicked)
		} else if panicked != nil {
			answer.status, call.ErrorCode = 0, journal.NoAnswer
		}
		r.emulator.record(request, call, answer.status)
		status, header, body = answer.status, answer.header, answer.body.Bytes()
	}()
	target := r.cloud.services[service]
	principal, ok := r.cloud.accounts.Principal(ctx, from.AccessKeyID, from.SessionToken)
	if !ok {
		ctx = journal.NewContext(ctx, call)
		target.refuse(answer, request.WithContext(ctx), &sigv4.Error{Kind: sigv4.UnknownAccessKey, Message: "access key ID " + from.AccessKeyID + " does not exist"})
		return answer.status, answer.header, answer.body.Bytes()
	}
	call.Principal = principal.ARN
	caller := &iam.Caller{Principal: principal, AccessKeyID: from.AccessKeyID, SessionToken: from.SessionToken, Time: call.Time}
	caller.Region = r.emulator.options.Region
	if service == "iam" {
		caller.Region = globalRegion
	}
	if address, err := netip.ParseAddr(from.SourceIP); err == nil {
		caller.SourceIP = address
	}
	caller = caller.Through(cloudformation.Principal)
	ctx = iam.WithCaller(faults.NewContext(journal.NewContext(ctx, call), r.emulator.faults), caller)
	target.handler.ServeHTTP(answer, request.WithContext(ctx))
	return answer.status, answer.header, answer.body.Bytes()
}

// answer is an http.ResponseWriter that keeps the answer.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(data []byte) (int, error) { return a.body.Write(data) }
