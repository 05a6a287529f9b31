package kind

import (
	"slices"
	"testing"
)

// The output of iptables-save with the rules of kube-proxy v1.36.
const natRules = `*nat
:KUBE-SEP-DOAFDJKTWBOLBUR2 - [0:0]
-A KUBE-SEP-6E7XQMQ4RAYOWTTM -p udp -m comment --comment "kube-system/kube-dns:dns" -m udp -j DNAT --to-destination 10.244.0.3:53
-A KUBE-SEP-DOAFDJKTWBOLBUR2 -s 10.244.0.4/32 -m comment --comment "epi-system/pod-identity-webhook:https" -j KUBE-MARK-MASQ
-A KUBE-SEP-DOAFDJKTWBOLBUR2 -p tcp -m comment --comment "epi-system/pod-identity-webhook:https" -m tcp -j DNAT --to-destination 10.244.0.9:8443
-A KUBE-SEP-IT2ZTR26TO4XFPTO -p tcp -m comment --comment "epi-system/pod-identity-webhook:https" -m tcp -j DNAT --to-destination 10.244.0.4:8443
-A KUBE-SVC-RUYFWLQGN4OLS7WZ -m comment --comment "epi-system/pod-identity-webhook:https -> 10.244.0.4:8443" -j KUBE-SEP-DOAFDJKTWBOLBUR2
COMMIT
`

func TestDestinationsOfAServicePort(t *testing.T) {
	for port, want := range map[string][]string{
		webhookPort:                  {"10.244.0.4", "10.244.0.9"},
		"kube-system/kube-dns:dns":   {"10.244.0.3"},
		"kube-system/kube-dns:dns-t": nil,
	} {
		if got := destinations(natRules, port); !slices.Equal(got, want) {
			t.Errorf("%s goes to %q, want %q", port, got, want)
		}
	}
}
