// Package manifests holds the Kubernetes objects that epi installs, as plain YAML that
// `kubectl apply -f` also takes. What differs from run to run (images, names, certificates) is set
// on the decoded objects by their installer, never by text templates.
package manifests

import "embed"

// Agent holds the objects of the Pod Identity agent.
//
//go:embed agent/*.yaml
var Agent embed.FS

// Webhook holds the objects of the Pod Identity webhook.
//
//go:embed webhook/*.yaml
var Webhook embed.FS

// Redirect holds the policies that lead pods' AWS SDKs to the emulator.
//
//go:embed redirect/*.yaml
var Redirect embed.FS
