package cloud

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/epi/framework"
)

// When returns the document with one more condition in each statement.
func (d Document) When(operator, key string, values ...string) Document {
	changed := Document{Version: d.Version, Statement: slices.Clone(d.Statement)}
	for i := range changed.Statement {
		conditions := map[string]map[string][]string{}
		maps.Copy(conditions, changed.Statement[i].Condition)
		conditions[operator] = maps.Clone(conditions[operator])
		if conditions[operator] == nil {
			conditions[operator] = map[string][]string{}
		}
		conditions[operator][key] = values
		changed.Statement[i].Condition = conditions
	}
	return changed
}

// Deny returns a document that denies actions on resources.
func Deny(resources []string, actions ...string) Document {
	denied := Allow(resources, actions...)
	denied.Statement[0].Effect = "Deny"
	return denied
}

// Denying returns the document with each Allow as a Deny.
func Denying(document Document) Document {
	denying := Document{Version: document.Version, Statement: slices.Clone(document.Statement)}
	for i := range denying.Statement {
		denying.Statement[i].Effect = "Deny"
	}
	return denying
}

// Join returns a document with the statements of several, without their IDs, which might be equal.
func Join(documents ...Document) Document {
	joined := Document{Version: policyVersion}
	for _, document := range documents {
		for _, statement := range document.Statement {
			statement.Sid = ""
			joined.Statement = append(joined.Statement, statement)
		}
	}
	return joined
}

// TrustSession is a trust policy for sessions of a role, which may pass their transitive tags on:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_role-chaining.
func TrustSession(of *Role) Document {
	return trust(map[string]string{"AWS": of.ARN}, nil, []string{"sts:AssumeRole", "sts:TagSession"})
}

// Tag adds a tag to the role. Its sessions have it as a principal tag.
func (r *Role) Tag(ctx context.Context, env *framework.Env, key, value string) {
	env.T.Helper()
	_, err := env.IAM.TagRole(ctx, &iam.TagRoleInput{RoleName: &r.Name, Tags: []iamtypes.Tag{{Key: &key, Value: &value}}})
	if err != nil {
		env.T.Fatalf("tag role %s: %v", r.Name, err)
	}
}
