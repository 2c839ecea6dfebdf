// A peer for tests of interoperation and for measurements: the reference library of SPIFFE, with the Workload API of whichever agent
// SPIFFE_ENDPOINT_SOCKET names. Every answer is one line of JSON.
package main

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

const usage = `usage: go-spiffe-peer COMMAND
  fetch AUDIENCE                  identities, bundles, and a token that the agent and the library validate
  client URL SERVER-ID            GET over mutual TLS
  server CLIENT-ID                an HTTPS server on a port of 127.0.0.1, until the input ends
  follow COUNT                    the serial numbers of COUNT updates, one a line
  bundle DOMAIN URL [ID FILE]     the bundle of a trust domain from its endpoint; with an ID, proved by it and the bundle in FILE
  measure KIND SECONDS [AT-ONCE]  how often a second: svid, token, verify-svid, verify-token, sign`

func main() {
	commands := map[string]struct {
		least int
		run   func(context.Context, []string) error
	}{
		"fetch": {1, fetch}, "client": {2, client}, "server": {1, server}, "follow": {1, follow}, "bundle": {2, bundle}, "measure": {2, measure},
	}
	if len(os.Args) > 1 {
		if command, known := commands[os.Args[1]]; known && len(os.Args)-2 >= command.least {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			if err := command.run(ctx, os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	fmt.Fprintln(os.Stderr, usage)
	os.Exit(2)
}

func say(answer any) error { return json.NewEncoder(os.Stdout).Encode(answer) }

type identity struct {
	ID       string    `json:"id"`
	Hint     string    `json:"hint"`
	Serial   string    `json:"serial"`
	NotAfter time.Time `json:"notAfter"`
}

func identityOf(svid *x509svid.SVID) identity {
	leaf := svid.Certificates[0]
	return identity{svid.ID.String(), svid.Hint, leaf.SerialNumber.Text(16), leaf.NotAfter}
}

func fetch(ctx context.Context, arguments []string) error {
	client, err := workloadapi.New(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	x509Context, err := client.FetchX509Context(ctx)
	if err != nil {
		return err
	}
	identities := []identity{}
	for _, svid := range x509Context.SVIDs {
		id, _, err := x509svid.Verify(svid.Certificates, x509Context.Bundles)
		if err != nil {
			return fmt.Errorf("verify X.509-SVID: %w", err)
		}
		if id != svid.ID {
			return fmt.Errorf("the certificate is of %s", id)
		}
		// What is signed with the key must verify with the certificate: go-spiffe checked that they belong together.
		if _, _, err := svid.MarshalRaw(); err != nil {
			return err
		}
		identities = append(identities, identityOf(svid))
	}
	token, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: arguments[0], ExtraAudiences: arguments[1:]})
	if err != nil {
		return fmt.Errorf("fetch JWT-SVID: %w", err)
	}
	jwtBundles, err := client.FetchJWTBundles(ctx)
	if err != nil {
		return fmt.Errorf("fetch JWT bundles: %w", err)
	}
	validated, err := jwtsvid.ParseAndValidate(token.Marshal(), jwtBundles, []string{arguments[0]})
	if err != nil {
		return fmt.Errorf("validate JWT-SVID: %w", err)
	}
	byAgent, err := client.ValidateJWTSVID(ctx, token.Marshal(), arguments[0])
	if err != nil {
		return fmt.Errorf("validate JWT-SVID by the agent: %w", err)
	}
	if _, err := client.ValidateJWTSVID(ctx, token.Marshal(), "another"); err == nil {
		return errors.New("the agent takes a token for another audience")
	}
	domains := []string{}
	for _, known := range x509Context.Bundles.Bundles() {
		domains = append(domains, known.TrustDomain().String())
	}
	tokens := []string{}
	all, err := client.FetchJWTSVIDs(ctx, jwtsvid.Params{Audience: arguments[0]})
	if err != nil {
		return err
	}
	for _, one := range all {
		tokens = append(tokens, one.ID.String())
	}
	return say(map[string]any{
		"identities": identities, "trustDomains": domains, "tokens": tokens,
		"token": map[string]any{"id": validated.ID.String(), "agentSays": byAgent.ID.String(), "audience": validated.Audience, "text": token.Marshal()},
	})
}

func client(ctx context.Context, arguments []string) error {
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	id, err := spiffeid.FromString(arguments[1])
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(id))}
	response, err := (&http.Client{Transport: transport}).Get(arguments[0])
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	return say(map[string]any{"status": response.StatusCode, "body": string(body)})
}

func server(ctx context.Context, arguments []string) error {
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	id, err := spiffeid.FromString(arguments[0])
	if err != nil {
		return err
	}
	listener, err := listenTLS(tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeID(id)))
	if err != nil {
		return err
	}
	serving := &http.Server{Handler: http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		peer, _ := x509svid.IDFromCert(request.TLS.PeerCertificates[0])
		fmt.Fprintf(writer, "hello %s", peer)
	})}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = serving.Close()
	}()
	if err := say(map[string]any{"address": listener.Addr().String()}); err != nil {
		return err
	}
	if err := serving.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// updates says the serial number of each X.509-SVID that is pushed, until there were enough.
type updates struct {
	left int
	done chan error
}

func (u *updates) OnX509ContextUpdate(update *workloadapi.X509Context) {
	if u.left--; u.left < 0 {
		return
	}
	_ = say(identityOf(update.DefaultSVID()))
	if u.left == 0 {
		close(u.done)
	}
}

// OnX509ContextWatchError is for the library to deal with: it connects again.
func (u *updates) OnX509ContextWatchError(error) {}

func follow(ctx context.Context, arguments []string) error {
	watcher := &updates{done: make(chan error)}
	if _, err := fmt.Sscan(arguments[0], &watcher.left); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() { <-watcher.done; cancel() }()
	if err := workloadapi.WatchX509Context(ctx, watcher); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	return nil
}

func bundle(ctx context.Context, arguments []string) error {
	domain, err := spiffeid.TrustDomainFromString(arguments[0])
	if err != nil {
		return err
	}
	options := []federation.FetchOption{}
	if len(arguments) == 4 {
		id, err := spiffeid.FromString(arguments[2])
		if err != nil {
			return err
		}
		known, err := spiffebundle.Load(id.TrustDomain(), arguments[3])
		if err != nil {
			return err
		}
		options = append(options, federation.WithSPIFFEAuth(known.X509Bundle(), id))
	}
	fetched, err := federation.FetchBundle(ctx, domain, arguments[1], options...)
	if err != nil {
		return err
	}
	sequence, _ := fetched.SequenceNumber()
	hint, _ := fetched.RefreshHint()
	keys := []string{}
	for id, key := range fetched.JWTAuthorities() {
		if _, isKey := key.(crypto.PublicKey); isKey {
			keys = append(keys, id)
		}
	}
	document, err := fetched.Marshal()
	if err != nil {
		return err
	}
	again, err := spiffebundle.Read(domain, bytes.NewReader(document))
	if err != nil || !again.Equal(fetched) {
		return fmt.Errorf("the bundle does not read back: %w", err)
	}
	return say(map[string]any{
		"authorities": len(fetched.X509Authorities()), "keys": keys, "sequence": sequence, "refreshHintSeconds": hint.Seconds(),
	})
}
