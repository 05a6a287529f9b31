package emulator_test

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters/emulator/emulatortest"
)

// front is a service with a request that it accepts, and the codes of its protocol.
type front struct {
	service string
	request func(*target) emulatortest.Request

	mismatch, unsignedHeader, incomplete, body, skewed, expired, otherToken, tooLarge refusal
}

// The codes are those of https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html,
// https://docs.aws.amazon.com/eks/latest/APIReference/CommonErrors.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
func fronts() []front {
	query := front{
		mismatch: refusal{403, "SignatureDoesNotMatch"}, unsignedHeader: refusal{403, "SignatureDoesNotMatch"}, incomplete: refusal{400, "IncompleteSignature"},
		body: refusal{403, "SignatureDoesNotMatch"}, skewed: refusal{403, "SignatureDoesNotMatch"}, expired: refusal{403, "ExpiredToken"},
		otherToken: refusal{403, "InvalidClientTokenId"}, tooLarge: refusal{413, "RequestEntityTooLarge"},
	}
	restJSON := front{
		mismatch: refusal{403, "InvalidSignatureException"}, unsignedHeader: refusal{403, "InvalidSignatureException"}, incomplete: refusal{403, "IncompleteSignatureException"},
		body: refusal{403, "InvalidSignatureException"}, skewed: refusal{403, "InvalidSignatureException"}, expired: refusal{403, "ExpiredTokenException"},
		otherToken: refusal{403, "UnrecognizedClientException"}, tooLarge: refusal{413, "RequestEntityTooLargeException"},
	}
	s3 := front{
		mismatch: refusal{403, "SignatureDoesNotMatch"}, unsignedHeader: refusal{403, "AccessDenied"}, incomplete: refusal{400, "AuthorizationHeaderMalformed"},
		body: refusal{400, "XAmzContentSHA256Mismatch"}, skewed: refusal{403, "RequestTimeTooSkewed"}, expired: refusal{400, "ExpiredToken"},
		otherToken: refusal{400, "InvalidToken"}, tooLarge: refusal{400, "EntityTooLarge"},
	}
	with := func(of front, service string, request func(*target) emulatortest.Request) front {
		of.service, of.request = service, request
		return of
	}
	return []front{
		with(query, "iam", func(*target) emulatortest.Request { return emulatortest.Query("iam", "ListRoles", nil) }),
		with(query, "sts", func(*target) emulatortest.Request { return emulatortest.Query("sts", "GetCallerIdentity", nil) }),
		with(restJSON, "eks", func(x *target) emulatortest.Request {
			return emulatortest.Request{Service: "eks", Method: http.MethodGet, Path: "/clusters/" + x.Cluster() + "/pod-identity-associations"}
		}),
		with(restJSON, "eks-auth", func(x *target) emulatortest.Request {
			cluster, token := x.Cluster(), x.Token("default", "app", nil)
			x.Associate(cluster, "app", x.Role(x.Name, emulatortest.TrustPods, ""), nil)
			x.hide(token)
			return emulatortest.Request{
				Service: "eks-auth", Method: http.MethodPost, Path: "/clusters/" + cluster + "/assume-role-for-pod-identity", Body: `{"token":"` + token + `"}`,
			}
		}),
		with(s3, "s3", func(x *target) emulatortest.Request {
			return emulatortest.Request{Service: "s3", Method: http.MethodPut, Path: "/" + x.Bucket() + "/key", Body: "an object"}
		}),
	}
}

// signatureAttacks change a request after it was signed.
func signatureAttacks() []attack {
	var rows []attack
	for _, to := range fronts() {
		altered := func(name string, want refusal, change func(*http.Request)) attack {
			return attack{to.service + ": " + name, func(x *target) {
				request := x.captured(x.Admin(), to.request(x))
				change(request)
				x.again(request)
			}, want}
		}
		authorize := func(edit func(string) string) func(*http.Request) {
			return func(r *http.Request) { r.Header.Set("Authorization", edit(r.Header.Get("Authorization"))) }
		}
		rows = append(
			rows,
			altered("another signature", to.mismatch, authorize(func(header string) string {
				flipped := "0"
				if strings.HasSuffix(header, "0") {
					flipped = "1"
				}
				return header[:len(header)-1] + flipped
			})),
			altered("a signature cut off", to.incomplete, authorize(func(header string) string { return header[:len(header)-1] })),
			altered("no signed headers but the host", to.unsignedHeader, authorize(func(header string) string {
				head, rest, _ := strings.Cut(header, "SignedHeaders=")
				_, rest, _ = strings.Cut(rest, ",")
				return head + "SignedHeaders=host," + rest
			})),
			altered("another key ID", to.otherToken.unknownKey(to.service), authorize(func(header string) string {
				return strings.Replace(header, emulatortest.AccessKeyID, "AKIAEPINOSUCHKEY0000", 1)
			})),
			altered("another time", to.mismatch, func(r *http.Request) {
				at, _ := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date")) // the time of the signature
				at = at.Add(time.Second)
				if at.Second() == 0 && at.Hour() == 0 && at.Minute() == 0 {
					at = at.Add(-2 * time.Second) // on the same day
				}
				r.Header.Set("X-Amz-Date", at.Format("20060102T150405Z"))
			}),
			altered("a header that is not signed", to.unsignedHeader, func(r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") }),
			altered("another host", to.mismatch, func(r *http.Request) { r.Host = "elsewhere.example.com" }),
			altered("another method", to.mismatch, func(r *http.Request) { r.Method = http.MethodDelete }),
			altered("another path", to.mismatch, func(r *http.Request) { r.URL.Path += "x" }),
			altered("another query", to.mismatch, func(r *http.Request) { r.URL.RawQuery = "more=1" }),
			altered("another body of the same length", to.body, func(r *http.Request) {
				r.ContentLength = max(r.ContentLength, 1) // one byte if there was no body
				r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", int(r.ContentLength))))
			}),
			altered("a body hash that is not signed", to.mismatch, func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }),
		)
	}
	return rows
}

// unknownKey is the refusal of an unknown key ID: S3 has its own code for it.
func (r refusal) unknownKey(service string) refusal {
	if service == "s3" {
		return refusal{403, "InvalidAccessKeyId"}
	}
	return r
}

// replayAttacks send a valid request a second time.
func replayAttacks() []attack {
	var rows []attack
	for _, to := range fronts() {
		rows = append(
			rows,
			attack{to.service + ": a replay after 15 minutes", func(x *target) {
				request := x.captured(x.Admin(), to.request(x))
				x.SetClock(15*time.Minute + 2*time.Second)
				x.again(request)
			}, to.skewed},
			attack{to.service + ": a request that was signed for 15 minutes ahead", func(x *target) {
				request := to.request(x)
				request.SignedAgo = -15*time.Minute - 2*time.Second
				x.try(x.Admin(), request)
			}, to.skewed},
			attack{to.service + ": a replay after the session's expiry", func(x *target) {
				session, _ := x.session()
				good := to.request(x)
				x.SetClock(time.Hour - 10*time.Second)
				request := x.captured(session, good)
				x.SetClock(time.Hour + 2*time.Second)
				x.again(request)
			}, to.expired},
			attack{to.service + ": a session's key with the token of another session", func(x *target) {
				_, first := x.session()
				x.Name += "b"
				_, second := x.session()
				x.try(x.As(first.AccessKeyID, first.SecretAccessKey, second.SessionToken), to.request(x))
			}, to.otherToken},
			attack{to.service + ": a session's key with the token of another account", func(x *target) {
				_, own := x.session()
				_, other := x.member()
				x.try(x.As(own.AccessKeyID, own.SecretAccessKey, other.SessionToken), to.request(x))
			}, to.otherToken},
			attack{to.service + ": a token with a changed character", func(x *target) {
				_, own := x.session()
				last := own.SessionToken[len(own.SessionToken)/2]
				flipped := byte('A')
				if last == flipped {
					flipped = 'B'
				}
				changed := own.SessionToken[:len(own.SessionToken)/2] + string(flipped) + own.SessionToken[len(own.SessionToken)/2+1:]
				x.try(x.As(own.AccessKeyID, own.SecretAccessKey, changed), to.request(x))
			}, to.otherToken},
			attack{to.service + ": a user's key with a session's token", func(x *target) {
				_, own := x.session()
				x.try(x.As(emulatortest.AccessKeyID, emulatortest.SecretAccessKey, own.SessionToken), to.request(x))
			}, to.otherToken},
			attack{to.service + ": a session's key without its token", func(x *target) {
				_, own := x.session()
				x.try(x.As(own.AccessKeyID, own.SecretAccessKey, ""), to.request(x))
			}, to.otherToken.unknownKey(to.service)},
			attack{to.service + ": a session whose role was deleted", func(x *target) {
				session, _ := x.session()
				good := to.request(x)
				x.drop(x.Name + "-session")
				x.try(session, good)
			}, to.otherToken.unknownKey(to.service)},
		)
	}
	return rows
}

// presignedAttacks use a URL in another way than it was signed for.
func presignedAttacks() []attack {
	// url signs a GET of an object for one minute.
	url := func(x *target, who *emulatortest.Clients, life time.Duration) string {
		bucket, key := x.Bucket(), "key"
		x.Object(bucket, key, "an object")
		signed, err := s3.NewPresignClient(who.S3).PresignGetObject(x.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key}, s3.WithPresignExpires(life))
		x.must(err)
		x.get(http.MethodGet, signed.URL, nil)
		if got, body := x.wire.last(); got.status != http.StatusOK {
			x.Fatalf("the URL is refused as it is: %v %s", got, body)
		}
		return signed.URL
	}
	changed := func(name string, want refusal, old, new string) attack {
		return attack{"s3: a presigned URL with " + name, func(x *target) {
			at := url(x, x.Admin(), time.Minute)
			if !strings.Contains(at, old) {
				x.Fatalf("%s has no %s", at, old)
			}
			x.get(http.MethodGet, strings.Replace(at, old, new, 1), nil)
		}, want}
	}
	return []attack{
		{"s3: a presigned URL after its expiry", func(x *target) {
			at := url(x, x.Admin(), time.Minute)
			x.SetClock(time.Minute + 2*time.Second)
			x.get(http.MethodGet, at, nil)
		}, refusal{403, "AccessDenied"}},
		{"s3: a presigned URL after the expiry of the session that signed it", func(x *target) {
			session, _ := x.session()
			at := url(x, session, 12*time.Hour)
			x.SetClock(time.Hour + 2*time.Second)
			x.get(http.MethodGet, at, nil)
		}, refusal{400, "ExpiredToken"}},
		{"s3: a presigned GET as a PUT", func(x *target) { x.get(http.MethodPut, url(x, x.Admin(), time.Minute), nil) }, refusal{403, "SignatureDoesNotMatch"}},
		changed("a longer life", refusal{403, "SignatureDoesNotMatch"}, "X-Amz-Expires=60", "X-Amz-Expires=600"),
		changed("a life of over a week", refusal{400, "AuthorizationQueryParametersError"}, "X-Amz-Expires=60", "X-Amz-Expires=604801"),
		changed("a negative life", refusal{400, "AuthorizationQueryParametersError"}, "X-Amz-Expires=60", "X-Amz-Expires=-60"),
		changed("another key", refusal{403, "SignatureDoesNotMatch"}, "/key?", "/other?"),
		changed("a version that was not signed", refusal{403, "SignatureDoesNotMatch"}, "?", "?versionId=null&"),
		changed("its expiry given twice", refusal{400, "AuthorizationQueryParametersError"}, "X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=600"),
		{"s3: a presigned URL with a header signature too", func(x *target) {
			at := url(x, x.Admin(), time.Minute)
			good := x.captured(x.Admin(), emulatortest.Request{Service: "s3", Method: http.MethodGet, Path: "/"})
			x.get(http.MethodGet, at, http.Header{"Authorization": good.Header["Authorization"], "X-Amz-Date": good.Header["X-Amz-Date"]})
		}, refusal{400, "AuthorizationHeaderMalformed"}},
		{"s3: a presigned URL with a session token in query and header", func(x *target) {
			session, c := x.session()
			x.get(http.MethodGet, url(x, session, time.Minute), http.Header{"X-Amz-Security-Token": {c.SessionToken}})
		}, refusal{400, "AuthorizationQueryParametersError"}},
		{"sts: a presigned URL after 15 minutes", func(x *target) {
			signed, err := sts.NewPresignClient(x.Admin().STS).PresignGetCallerIdentity(x.Context(), &sts.GetCallerIdentityInput{})
			x.must(err)
			x.get(http.MethodGet, signed.URL, nil)
			if got, body := x.wire.last(); got.status != http.StatusOK {
				x.Fatalf("the URL is refused as it is: %v %s", got, body)
			}
			x.SetClock(15*time.Minute + 2*time.Second)
			x.get(http.MethodGet, signed.URL, nil)
		}, refusal{403, "SignatureDoesNotMatch"}},
	}
}

// get sends a request without its own signature.
func (x *target) get(method, url string, header http.Header) {
	x.Helper()
	request, err := http.NewRequestWithContext(x.Context(), method, url, nil)
	x.must(err)
	for name, values := range header {
		request.Header[name] = values
	}
	x.again(request)
}

// drop deletes a role with its inline policy.
func (x *target) drop(role string) {
	x.Helper()
	x.must(x.Send(x.Context(), x.Admin(), emulatortest.Query("iam", "DeleteRolePolicy", map[string]string{"RoleName": role, "PolicyName": "own"})))
	x.must(x.Send(x.Context(), x.Admin(), emulatortest.Query("iam", "DeleteRole", map[string]string{"RoleName": role})))
}
