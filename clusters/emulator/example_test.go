package emulator_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters/emulator"
)

// The emulator serves all services at one URL, here in the test's own process.
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
