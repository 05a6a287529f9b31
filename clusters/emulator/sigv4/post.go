package sigv4

import "context"

// Post is what authenticates an upload by an HTML form
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html): fields of the form.
type Post struct {
	// Policy as it came, in base64: it is what is signed.
	Policy string
	// Algorithm, Credential, Date, Signature and Token are the fields x-amz-algorithm, x-amz-credential,
	// x-amz-date, x-amz-signature and x-amz-security-token; only the last may be empty.
	Algorithm, Credential, Date, Signature, Token string
}

// VerifyPost checks the signature of a form. How long it is valid is in the policy, and for the caller to
// check. The error is an *Error, or what the store failed with.
func (v *Verifier) VerifyPost(ctx context.Context, post Post) (*Identity, error) {
	if post.Algorithm != algorithm {
		return nil, refuse(Incomplete, "x-amz-algorithm must be %s", algorithm)
	}
	s := &signature{sessionToken: post.Token, claimed: post.Signature}
	if err := s.readCredential(post.Credential); err != nil {
		return nil, err
	}
	if s.service != s3Service {
		return nil, refuse(WrongScope, "x-amz-credential must be scoped to the service s3")
	}
	if err := s.readTime(post.Date); err != nil {
		return nil, err
	}
	now := v.now()
	if s.time.After(now.Add(maxSkew)) {
		return nil, refuse(Skewed, "signed at %s, received at %s", s.time.Format(timeFormat), now.UTC().Format(timeFormat))
	}
	secret, err := v.secret(ctx, s, now)
	if err != nil {
		return nil, err
	}
	scope := scope{secret, s.day, s.region, s.service}
	key, kept := v.keys.get(scope)
	s.key, s.text = key, []byte(post.Policy)
	if !s.signs(post.Signature) {
		return nil, refuse(SignatureMismatch, "the signature of the policy is not the one that the secret access key makes")
	}
	if !kept {
		v.keys.put(scope, key)
	}
	return &Identity{AccessKeyID: s.accessKeyID, SessionToken: s.sessionToken, Region: s.region, Service: s.service, Time: s.time}, nil
}
