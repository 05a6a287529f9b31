module client

go 1.21

require github.com/aws/aws-sdk-go v1.47.10

require github.com/jmespath/go-jmespath v0.4.0 // indirect
