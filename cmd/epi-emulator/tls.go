package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/podidentity/epi/clusters/emulator/certificate"
	"github.com/podidentity/epi/clusters/emulator/store"
)

// tlsFlags are the flags of TLS.
type tlsFlags struct {
	on     bool
	hosts  []string
	caFile string
}

func (f *tlsFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.on, "tls", false, "serve AWS over TLS, by a CA of the emulator's own")
	flags.StringArrayVar(&f.hosts, "tls-host", []string{"localhost", "127.0.0.1", "::1"}, "name or address in the certificate; may be repeated")
	flags.StringVar(&f.caFile, "tls-ca-file", "", "file to write the CA's certificate to, as PEM")
}

// check requires a file for the CA if there is one. hosts is --hosts-listen.
func (f *tlsFlags) check(hosts string) error {
	switch {
	case f.on && f.caFile == "":
		return errors.New("flag --tls: needs --tls-ca-file, so that clients can trust the CA")
	case hosts != "" && f.caFile == "":
		return errors.New("flag --hosts-listen: needs --tls-ca-file, so that clients can trust the CA")
	case !f.on && hosts == "" && f.caFile != "":
		return errors.New("flag --tls-ca-file: needs --tls or --hosts-listen")
	}
	return nil
}

const authorityRecord = "authority"

// authority is the CA of the state, or a new one. It writes the CA's certificate to its file. If no CA is needed, it
// returns nil.
func (f *tlsFlags) authority(state *store.Store, now time.Time) (*certificate.Authority, error) {
	if f.caFile == "" {
		return nil, nil
	}
	authority, err := keptAuthority(state, now)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(f.caFile, authority.Certificate(), 0o644); err != nil { //nolint:gosec // everyone may read it
		return nil, fmt.Errorf("write CA certificate: %w", err)
	}
	return authority, nil
}

// config makes the server's certificate with the CA. Without TLS it returns nil.
func (f *tlsFlags) config(authority *certificate.Authority, now time.Time) (*tls.Config, error) {
	if !f.on {
		return nil, nil
	}
	pair, err := authority.Server(now, f.hosts...)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}

// keptAuthority is the CA of the state, or a new one that it keeps from now on.
func keptAuthority(state *store.Store, now time.Time) (*certificate.Authority, error) {
	table, err := state.Table("tls")
	if err != nil {
		return nil, err
	}
	var kept *certificate.Authority
	err = table.Each(func(_ string, value []byte) error {
		kept, err = certificate.Parse(value)
		return err
	})
	if err != nil {
		return nil, err
	}
	if kept != nil && kept.Valid(now) {
		return kept, nil
	}
	fresh, err := certificate.New(now)
	if err != nil {
		return nil, err
	}
	text, err := fresh.Marshal()
	if err != nil {
		return nil, err
	}
	return fresh, table.Put(authorityRecord, text)
}
