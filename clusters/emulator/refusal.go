package emulator

import (
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/ecr"
	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/query"
	"github.com/podidentity/epi/clusters/emulator/restjson"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

// jsonRefusals are the codes and texts with which REST-JSON services refuse a signature. The texts are those that AWS was
// seen to use. Without one, the verifier's text is used, which holds no secret
// (https://docs.aws.amazon.com/eks/latest/APIReference/CommonErrors.html).
var jsonRefusals = map[sigv4.Kind]restjson.Error{
	sigv4.MissingAuthentication: {Code: "MissingAuthenticationTokenException", Status: http.StatusForbidden, Message: "Missing Authentication Token"},
	sigv4.Incomplete:            {Code: "IncompleteSignatureException", Status: http.StatusForbidden},
	sigv4.UnsignedHeaders:       {Code: "InvalidSignatureException", Status: http.StatusForbidden},
	sigv4.UnknownAccessKey:      {Code: "UnrecognizedClientException", Status: http.StatusForbidden, Message: "The security token included in the request is invalid."},
	sigv4.InvalidToken:          {Code: "UnrecognizedClientException", Status: http.StatusForbidden, Message: "The security token included in the request is invalid."},
	sigv4.ExpiredToken:          {Code: "ExpiredTokenException", Status: http.StatusForbidden, Message: "The security token included in the request is expired"},
	sigv4.SignatureMismatch:     {Code: "InvalidSignatureException", Status: http.StatusForbidden},
	sigv4.WrongScope:            {Code: "InvalidSignatureException", Status: http.StatusForbidden},
	sigv4.Skewed:                {Code: "InvalidSignatureException", Status: http.StatusForbidden},
	sigv4.PresignedExpired:      {Code: "InvalidSignatureException", Status: http.StatusForbidden},
	sigv4.BodyMismatch:          {Code: "InvalidSignatureException", Status: http.StatusForbidden},
	sigv4.TooLarge:              {Code: "RequestEntityTooLargeException", Status: http.StatusRequestEntityTooLarge},
	sigv4.BadBody:               {Code: "InvalidRequestException", Status: http.StatusBadRequest},
	sigv4.Slow:                  {Code: "RequestTimeoutException", Status: http.StatusRequestTimeout},
	sigv4.Busy:                  {Code: "ServiceUnavailableException", Status: http.StatusServiceUnavailable},
}

// ec2Refusals are the codes and statuses of EC2 that differ from those of Query services
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
var ec2Refusals = map[sigv4.Kind]query.Error{
	sigv4.UnknownAccessKey:  {Code: "AuthFailure", Status: http.StatusUnauthorized, Message: "AWS was not able to validate the provided access credentials"},
	sigv4.InvalidToken:      {Code: "AuthFailure", Status: http.StatusUnauthorized, Message: "AWS was not able to validate the provided access credentials"},
	sigv4.ExpiredToken:      {Code: "RequestExpired", Status: http.StatusBadRequest, Message: "Request has expired."},
	sigv4.Skewed:            {Code: "RequestExpired", Status: http.StatusBadRequest, Message: "Request has expired."},
	sigv4.PresignedExpired:  {Code: "RequestExpired", Status: http.StatusBadRequest, Message: "Request has expired."},
	sigv4.SignatureMismatch: {Code: "AuthFailure", Status: http.StatusUnauthorized, Message: "AWS was not able to validate the provided access credentials"},
}

func refuseEC2(w http.ResponseWriter, r *http.Request, err *sigv4.Error) {
	refusal, ok := ec2Refusals[err.Kind]
	if !ok {
		refusal = *iam.SignatureError(err)
	}
	query.WriteEC2Error(w, journal.FromContext(r.Context()), &refusal)
}

// refuseJSON answers for EKS and EKS Auth.
func refuseJSON(w http.ResponseWriter, r *http.Request, err *sigv4.Error) {
	refusal := jsonRefusal(err)
	journal.FromContext(r.Context()).ErrorCode = restjson.WriteError(w, &refusal, refusal.Code)
}

// refuseECR answers for ECR. Services of AWS JSON 1.1 answer 400 where REST-JSON has other statuses
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html).
func refuseECR(w http.ResponseWriter, r *http.Request, err *sigv4.Error) {
	refusal := jsonRefusal(err)
	if refusal.Status < http.StatusInternalServerError {
		refusal.Status = http.StatusBadRequest
	}
	journal.FromContext(r.Context()).ErrorCode = ecr.WriteError(w, &refusal)
}

func jsonRefusal(err *sigv4.Error) restjson.Error {
	refusal, ok := jsonRefusals[err.Kind]
	if !ok {
		refusal = jsonRefusals[sigv4.Incomplete]
	}
	if refusal.Message == "" {
		refusal.Message = err.Message
	}
	return refusal
}
