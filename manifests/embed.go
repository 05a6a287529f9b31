// Package manifests has the Kubernetes objects that epi installs, as plain YAML that `kubectl apply -f` accepts too. Values
// that differ between runs (images, names, certificates) are set on the decoded objects by their installer, and never by
// text templates.
package manifests

import "embed"

// Agent has the objects of the Pod Identity agent.
//
//go:embed agent/*.yaml
var Agent embed.FS

// Webhook has the objects of the Pod Identity webhook.
//
//go:embed webhook/*.yaml
var Webhook embed.FS

// Redirect has the policies that set pods' AWS SDKs to the emulator.
//
//go:embed redirect/*.yaml
var Redirect embed.FS
