package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/podidentity/epi/framework/probe"
)

// endpoint issues credentials in place of the agent, for one run of a client: short-lived ones, each for the current token
// in a file, and refusals as its flags say.
type endpoint struct {
	// answers are the statuses of the answers in turn. The last one is repeated.
	answers []int
	// life of the credentials.
	life time.Duration
	// file has the token for the next request.
	file string

	mu     sync.Mutex
	token  int
	record probe.Endpoint
}

// variableToken is the token that must not be used, because a file is named too.
const variableToken = "epi-token-of-the-variable"

func fileToken(number int) string { return fmt.Sprintf("epi-token-%d", number) }

// startEndpoint listens at the given place and returns the variables for a client.
func startEndpoint(ctx context.Context, where, dir string, answers []int, life time.Duration) (*endpoint, []string, func(), error) {
	host, scheme := "127.0.0.1", "http"
	switch where {
	case probe.AtLoopback:
	case probe.AtPod, probe.AtPodHTTPS:
		own, err := ownAddress()
		if err != nil {
			return nil, nil, nil, err
		}
		host = own
		if where == probe.AtPodHTTPS {
			scheme = "https"
		}
	default:
		return nil, nil, nil, fmt.Errorf("%w: endpoint %q is not %s, %s or %s", errUsage, where, probe.AtLoopback, probe.AtPod, probe.AtPodHTTPS)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("start credentials endpoint: %w", err)
	}
	e := &endpoint{answers: answers, life: life, file: filepath.Join(dir, "token"), record: probe.Endpoint{Requests: []probe.EndpointRequest{}}}
	if err := e.rotate(); err != nil {
		return nil, nil, nil, errors.Join(err, listener.Close())
	}
	server := &http.Server{
		Handler: e, ReadHeaderTimeout: time.Second, ErrorLog: nil,
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				e.mu.Lock()
				defer e.mu.Unlock()
				e.record.Connections++
			}
		},
	}
	go func() { _ = server.Serve(listener) }() // until it is closed
	return e, []string{
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + scheme + "://" + listener.Addr().String() + "/v1/credentials",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + e.file,
	}, func() { _ = server.Close() }, nil
}

// ownAddress is the container's address on its network.
func ownAddress() (string, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("find own address: %w", err)
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return network.IP.String(), nil
		}
	}
	return "", fmt.Errorf("find own address: there is none but loopback")
}

// rotate replaces the token in the file in one step, like the kubelet.
func (e *endpoint) rotate() error {
	e.token++
	next := e.file + ".new"
	if err := os.WriteFile(next, []byte(fileToken(e.token)), 0o600); err != nil {
		return fmt.Errorf("rotate token: %w", err)
	}
	if err := os.Rename(next, e.file); err != nil {
		return fmt.Errorf("rotate token: %w", err)
	}
	return nil
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	status := e.answers[min(len(e.record.Requests), len(e.answers)-1)]
	e.record.Requests = append(e.record.Requests, probe.EndpointRequest{Token: e.tokenOf(r.Header.Get("Authorization")), Status: status})
	if status != http.StatusOK {
		http.Error(w, fmt.Sprintf("[epi-%d]: (AccessDeniedException): %s, fault: client", len(e.record.Requests), probe.Refusal), status)
		return
	}
	answer := map[string]string{
		// The number identifies the answer with the credentials. They are not valid anywhere.
		"AccessKeyId": fmt.Sprintf("ASIA%016d", e.token), "SecretAccessKey": "epi-secret", "Token": "epi-session",
		"AccountId": "123456789012", "Expiration": time.Now().Add(e.life).UTC().Format(time.RFC3339),
	}
	if err := e.rotate(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // a client that closed the connection needs none
}

// tokenOf classifies a token.
func (e *endpoint) tokenOf(token string) string {
	if number, ok := strings.CutPrefix(token, "epi-token-"); ok {
		if _, err := strconv.Atoi(number); err == nil {
			return probe.FileToken + number
		}
	}
	switch token {
	case "":
		return probe.NoToken
	case variableToken:
		return probe.VariableToken
	default:
		return probe.OtherToken
	}
}

// seen has the requests so far.
func (e *endpoint) seen() *probe.Endpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	record := e.record
	return &record
}
