package iam

import (
	"strings"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
)

// Bind ties the users and roles that a document's principals name, by ARN or by unique ID, to their unique IDs. It returns
// the IDs by name, for policy.Document.Bind to tie them again. missing is the first name that does not exist; "" if all
// exist. Users and roles of accounts that the emulator does not have stay as they are. The caller must not hold a lock.
func (a *Accounts) Bind(document *policy.Document) (bound map[string]string, missing string) {
	bound = map[string]string{}
	document.Bind(func(name string) string {
		id, exists := a.uniqueIDOf(name)
		switch {
		case !exists && missing == "":
			missing = name
		case id != "":
			bound[name] = id
		}
		return id
	})
	return bound, missing
}

// uniqueIDOf finds the unique ID of a user or role by its ARN or its ID; "" for one that the emulator does not have.
func (a *Accounts) uniqueIDOf(name string) (id string, exists bool) {
	if !strings.HasPrefix(name, "arn:") {
		_, exists := a.named.Load(name)
		return name, exists
	}
	owner := a.accountOf(name)
	if owner == nil || !strings.HasPrefix(name, "arn:aws:iam:") {
		return "", true
	}
	owner.mu.RLock()
	defer owner.mu.RUnlock()
	named := owner.users
	if strings.HasPrefix(name, owner.arn("role", "/", "")) {
		named = owner.roles
	}
	if e := byARN(named, name); e != nil {
		return e.id, true
	}
	return "", false
}

// Shown is a document's text as IAM and S3 show it. A principal that Bind tied has its ARN while it exists, and its unique
// ID after that (https://repost.aws/knowledge-center/iam-resource-policy-format).
func (a *Accounts) Shown(document *policy.Document) string {
	return document.Shown(func(id string) string {
		if arn, ok := a.named.Load(id); ok {
			return arn.(string)
		}
		return id
	})
}
