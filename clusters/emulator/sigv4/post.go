package sigv4

import "context"

// Post has the form fields that authenticate an upload by an HTML form
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html).
type Post struct {
	// Policy is the base64 text as it was received. That text is signed.
	Policy string
	// Algorithm, Credential, Date, Signature and Token are the fields x-amz-algorithm, x-amz-credential, x-amz-date,
	// x-amz-signature and x-amz-security-token; Only the last may be empty.
	Algorithm, Credential, Date, Signature, Token string
}

// VerifyPost checks the signature of a form. The caller checks its lifetime, which is in the policy. The error is an
// *Error, or the store's error.
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
