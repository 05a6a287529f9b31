package emulator_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters/emulator"
	"github.com/podidentity/epi/clusters/emulator/control"
)

// The emulator serves all services at one URL, in the test's own process.
func Example() {
	const id, secret = "AKIAEPIEXAMPLE000000", "administrators-secret-access-key-000000"
	emulated, err := emulator.New(emulator.Options{
		Region: "us-west-2", Account: "123456789012", NodeRole: "node", AccessKeyID: id, SecretAccessKey: secret,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(emulated.Handler())
	defer server.Close()

	client := sts.New(sts.Options{
		Region: "us-west-2", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
	caller, err := client.GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(*caller.Account)
	// Output: 123456789012
}

// A test makes a service fail through the control API.
func Example_faults() {
	const id, secret = "AKIAEPIEXAMPLE000000", "administrators-secret-access-key-000000"
	const controlToken, syncToken = "control-token-of-the-example-000000", "sync-token-of-the-example-000000000"
	emulated, err := emulator.New(emulator.Options{
		Region: "us-west-2", Account: "123456789012", NodeRole: "node", AccessKeyID: id, SecretAccessKey: secret,
		ControlToken: controlToken, SyncToken: syncToken,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := emulated.ControlHandler(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	api, server := httptest.NewServer(handler), httptest.NewServer(emulated.Handler())
	defer api.Close()
	defer server.Close()

	ctx, client := context.Background(), control.New(api.URL, controlToken)
	_, err = client.AddFault(ctx, control.Fault{Service: "sts", Probability: 1, Error: &control.Refusal{Kind: control.Throttling}})
	if err != nil {
		fmt.Println(err)
		return
	}
	caller := sts.New(sts.Options{
		Region: "us-west-2", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""), RetryMaxAttempts: 1,
	})
	_, err = caller.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	fmt.Println(err != nil)
	fmt.Println(client.ClearFaults(ctx), client.ClearCalls(ctx))
	// Output:
	// true
	// <nil> <nil>
}
