package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/oidc"
)

// pairs reads "key=value,key=value" with known keys. The needed ones are required.
func pairs(flag, text string, known []string, needed ...string) (map[string]string, error) {
	found := map[string]string{}
	for _, pair := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(pair, "=")
		switch {
		case !ok || value == "":
			return nil, fmt.Errorf("flag --%s %q: %q is not key=value", flag, text, pair)
		case !slices.Contains(known, key):
			return nil, fmt.Errorf("flag --%s %q: unknown key %q; known are %s", flag, text, key, strings.Join(known, ", "))
		case found[key] != "":
			return nil, fmt.Errorf("flag --%s %q: %s is given twice", flag, text, key)
		}
		found[key] = value
	}
	for _, key := range needed {
		if found[key] == "" {
			return nil, fmt.Errorf("flag --%s %q: needs %s=…", flag, text, key)
		}
	}
	return found, nil
}

// readIssuers reads the keys of the issuers that flags name.
func readIssuers(ctx context.Context, flags []string) (map[string]*oidc.Keys, error) {
	issuers := map[string]*oidc.Keys{}
	for _, text := range flags {
		found, err := pairs("oidc-issuer", text, []string{"issuer", "jwks"}, "issuer")
		if err != nil {
			return nil, usageError{err}
		}
		set, err := oidc.ReadSet(ctx, found["issuer"], found["jwks"])
		if err != nil {
			return nil, err
		}
		if issuers[found["issuer"]], err = oidc.ParseKeys(set); err != nil {
			return nil, fmt.Errorf("read keys of %s: %w", found["issuer"], err)
		}
	}
	return issuers, nil
}

// registerClusters registers the clusters that flags name.
func registerClusters(ctx context.Context, e *emulator.Emulator, flags []string) error {
	for _, text := range flags {
		found, err := pairs("cluster", text, []string{"name", "issuer", "jwks"}, "name", "issuer")
		if err != nil {
			return usageError{err}
		}
		set, err := oidc.ReadSet(ctx, found["issuer"], found["jwks"])
		if err != nil {
			return err
		}
		if err := e.RegisterCluster(found["name"], control.Cluster{Issuer: found["issuer"], JWKS: set}); err != nil {
			return usageError{fmt.Errorf("flag --cluster %q: %w", text, err)}
		}
	}
	return nil
}
