// Package identity names the identity that a pod has in AWS: none, a session of a role, or, wrongly, that of its node.
package identity

import (
	"fmt"
	"strings"

	"github.com/podidentity/epi/framework/probe"
)

// Kind of identity.
type Kind string

const (
	// NoCredentials: there is no source of credentials.
	NoCredentials Kind = "no credentials"
	// Session: a session of a role, whose credentials are the agent's.
	Session Kind = "session of a role"
	// NodeRole: the node's own role from instance metadata, which is the wrong identity.
	NodeRole Kind = "the node's role"
	// Broken: a source is configured, but gave no working credentials.
	Broken Kind = "broken credentials"
)

// Caller is the identity of a process in a pod.
type Caller struct {
	probe.Identity
	Kind Kind
	// Role is the name of the session's role.
	Role string
}

// instanceMetadata is the AWS SDK's name of the provider that uses instance metadata.
const instanceMetadata = "EC2RoleProvider"

// Of classifies the probe's result. nodeRole is the name of the nodes' role.
func Of(seen probe.Identity, nodeRole string) Caller {
	caller := Caller{Identity: seen, Role: roleOf(seen.ARN)}
	switch {
	// Credentials of the node are wrong whether or not AWS accepts them, and from any source.
	case seen.Source == instanceMetadata, caller.Role != "" && caller.Role == nodeRole:
		caller.Kind = NodeRole
	case seen.Failure == nil && caller.Role != "":
		caller.Kind = Session
	case seen.Failure != nil && seen.Failure.Class == probe.NoCredentials:
		caller.Kind = NoCredentials
	default:
		caller.Kind = Broken
	}
	return caller
}

// roleOf returns the role of an ARN such as arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION; "" for others.
func roleOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[2] != "sts" {
		return ""
	}
	kind, rest, _ := strings.Cut(parts[5], "/")
	role, session, found := strings.Cut(rest, "/")
	if kind != "assumed-role" || !found || session == "" {
		return ""
	}
	return role
}

// SessionName is the session's name in the ARN; "" if it is not a session.
func (c Caller) SessionName() string {
	if c.Role == "" {
		return ""
	}
	return c.ARN[strings.LastIndexByte(c.ARN, '/')+1:]
}

// String describes the identity in one line, with a remedy if it is wrong.
func (c Caller) String() string {
	switch c.Kind {
	case NoCredentials:
		return "no credentials at all"
	case Session:
		return fmt.Sprintf("a session of role %s (%s, from %s)", c.Role, c.ARN, c.Source)
	case NodeRole:
		role := c.ARN
		if role == "" {
			role = "role unknown: " + c.Failure.String()
		}
		return fmt.Sprintf("the WRONG IDENTITY, the node's role (%s), taken from instance metadata: pods reach it; "+
			"close it with IMDS hop limit 1 and required tokens (HttpPutResponseHopLimit=1, HttpTokens=required; eksctl --disable-pod-imds)", role)
	default:
		if c.Failure != nil {
			return c.Failure.String()
		}
		return fmt.Sprintf("neither anonymous nor a session of a role: %q from %s", c.ARN, c.Source)
	}
}
