package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// portalFlags are the flags of the command portal.
type portalFlags struct {
	options bitrixtest.Options
	addr    string
	plan    string
	charge  string
	state   string
	faults  []string
	mutate  int
	churn   int
	tls     string
	oauth   bool
	strict  bool
}

func (p *program) portalCommand() *cobra.Command {
	var f portalFlags
	cmd := f.command()
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opts, err := f.portalOptions()
		if err != nil {
			return usagef(cmd, "%w", err)
		}
		return p.servePortal(cmd.Context(), &f, opts)
	}
	return cmd
}

// command returns the command without its RunE.
func (f *portalFlags) command() *cobra.Command {
	cmd := &cobra.Command{
		Use: "portal",
		Example: `b24export portal --payments 100000 --plan standard
b24export portal --speed 60 --fault html,every=20 --refuse 0.0005
b24export portal --tls self-signed --addr 127.0.0.1:8443`,
		Short: "Serve a fake portal, to try b24export without an account.",
		Long: `The fake Bitrix24 portal has invented payments and the limits, errors and odd
spellings of real portals. The same flags always produce the same payments. It stops
on a signal and then prints the requests that it received.`,
		Args: noArgs,
	}
	o, flags := &f.options, cmd.Flags()
	flags.StringVar(&f.addr, "addr", "127.0.0.1:8024", "`host:port` to listen on; port 0 picks a free port")
	flags.Var(oneOf(&f.tls, "off", "self-signed"), "tls", "off; self-signed: https with a certificate authority of its own")
	flags.IntVar(&o.Payments, "payments", 12_000, "number of payments; memory use does not depend on it")
	flags.Uint64Var(&o.Seed, "seed", 1, "seed of all data and random choices")
	flags.IntVar(&f.mutate, "mutate", 0, "number of changes to the payments before serving, for an incremental run")
	flags.IntVar(&f.churn, "churn", 0, "change a payment after every this many requests")
	flags.Var(oneOf(&f.plan, "unlimited", "standard", "enterprise"), "plan", "limits: unlimited, standard, enterprise")
	flags.Float64Var(&o.Limits.Rate, "rate", 0, "requests per second, instead of the plan's")
	flags.IntVar(&o.Limits.Burst, "burst", 0, "requests at once, instead of the plan's")
	flags.DurationVar(&o.Limits.Operating, "operating", 0, "operating time of a method in a window, instead of the plan's")
	flags.DurationVar(&o.Limits.Window, "operating-window", 0, "length of the window of --operating (default 10m)")
	flags.Var(oneOf(&f.charge, "inner", "batch", "none"), "charge", "method that is charged for a batch: inner (each inner method), batch, none")
	flags.BoolVar(&o.NoCounters, "no-counters", false, "omit the operating time from responses, as some self-hosted portals do")
	flags.BoolVar(&o.ZeroCounters, "zero-counters", false, "report an operating time of 0 always, as other self-hosted portals do")
	flags.Float64Var(&o.Speed, "speed", 1, "factor by which clocks, limits and latencies run faster: with 60, an hour takes a minute")
	flags.DurationVar(&o.Latency, "latency", 0, "time that a response takes")
	flags.DurationVar(&o.Jitter, "jitter", 0, "most random time added to the latency")
	flags.Float64Var(&o.Returns, "returns", 0, "share, 0 to 1, of the paid payments that were refunded")
	flags.BoolVar(&o.Odd, "odd", false, "spell values in all the ways that real portals do")
	flags.BoolVar(&o.Unknown, "unknown", false, "add fields that no documentation names")
	flags.Float64Var(&o.Refuse, "refuse", 0, "share, 0 to 1, of payments that lists show but a get refuses")
	flags.Float64Var(&o.Poison, "poison", 0, "share, 0 to 1, of payments with a malformed value")
	flags.BoolVar(&o.Rights.NotAdmin, "not-admin", false, "refuse methods that need an administrator")
	flags.StringSliceVar(&o.Rights.Scopes, "scopes", nil, "granted scopes: `names`, comma-separated (default crm,sale)")
	flags.Var(oneOf(&f.state, string(bitrixtest.StateOpen), string(bitrixtest.StateNoPlan), string(bitrixtest.StateBlocked),
		string(bitrixtest.StateClosed), string(bitrixtest.StateNoUser), string(bitrixtest.StateNoRight),
		string(bitrixtest.StateDeleted), string(bitrixtest.StateDismissed), string(bitrixtest.StateLapsed),
		string(bitrixtest.StateRemoved), string(bitrixtest.StateNoServer)),
		"state", "state of the portal: open, no-plan, blocked, closed, no-user, no-right; with 401: deleted, dismissed, lapsed, removed, no-server")
	flags.BoolVar(&f.oauth, "oauth", false, "also serve an OAuth application, and its authorization server at the same address")
	flags.DurationVar(&o.OAuth.Life, "token-life", 0, "lifetime of the application's access tokens (default 1h)")
	flags.StringVar(&o.OAuth.ServerEndpoint, "token-server", "", "REST `address` of the authorization server in its answers")
	flags.IntVar(&o.OAuth.ExpireAfter, "token-requests", 0, "expire an access token after this many requests")
	flags.BoolVar(&f.strict, "strict", false, "at the end, print the rules that clients broke; exit with code 1 if there are any")
	valueFlags(flags, &o.Values)
	flags.StringArrayVar(&f.faults, "fault", nil,
		"inject this `fault`, such as html,every=20 or command,share=0.01,code=INTERNAL_SERVER_ERROR; may be repeated")
	serverFlags(flags, &o.Server)
	return cmd
}

// portalOptions returns the options that the flags describe.
func (f *portalFlags) portalOptions() (bitrixtest.Options, error) {
	o := f.options
	o.Plan = bitrixtest.Plan(f.plan)
	o.Charge = bitrixtest.Charge(f.charge)
	o.State = bitrixtest.State(f.state)
	if f.oauth {
		// The secrets are invented, and the same each time: they protect nothing.
		o.OAuth.ClientID, o.OAuth.ClientSecret = "local.5d2f0a1c3b4e67", "clientsecretofafakeportal"
	}
	if f.churn > 0 {
		o.Churn = bitrixtest.Churn{Every: f.churn, Count: 1, Seed: o.Seed}
	}
	if f.mutate < 0 || f.churn < 0 {
		return o, errors.New("--mutate and --churn: must not be negative")
	}
	for _, text := range f.faults {
		fault, err := parseFault(text)
		if err != nil {
			return o, fmt.Errorf("--fault %s: %w", shownArg(text), err)
		}
		o.Faults = append(o.Faults, fault)
	}
	return o, o.Validate()
}

// servePortal serves the portal until ctx ends.
func (p *program) servePortal(ctx context.Context, f *portalFlags, opts bitrixtest.Options) error {
	portal := bitrixtest.New(opts)
	portal.Mutate(f.mutate, opts.Seed)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", f.addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", f.addr, err)
	}
	scheme, authority := "http", ""
	if f.tls == "self-signed" {
		scheme = "https"
		cert, pem, err := selfSigned(listener.Addr())
		if err != nil {
			listener.Close()
			return err
		}
		if authority, err = writeTemp("b24export-portal-ca-*.pem", pem); err != nil {
			listener.Close()
			return err
		}
		defer os.Remove(authority)
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	}
	if err := p.announce(portal, scheme+"://"+listener.Addr().String(), authority, &opts); err != nil {
		listener.Close()
		return err
	}

	server := &http.Server{
		Handler:           portal,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	// The goroutine serves requests, and ends when the server is closed.
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// Requests in flight get a moment to end; otherwise a client would only repeat
	// them.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(last) != nil {
		server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return p.farewell(portal, f.strict)
}

// announce prints how to reach the portal. It prints the secrets, because they are to
// be used.
func (p *program) announce(portal *bitrixtest.Portal, base, authority string, o *bitrixtest.Options) error {
	type application struct {
		Portal       string `json:"portal"`
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		RefreshToken string `json:"refresh_token"`
	}
	webhook := portal.Webhook(base)
	var app *application
	if o.OAuth.ClientID != "" {
		app = &application{base, o.OAuth.ClientID, o.OAuth.ClientSecret, portal.RefreshToken()}
	}
	if p.json {
		return p.stdout.line(struct {
			Webhook   string       `json:"webhook"`
			OAuth     *application `json:"oauth,omitempty"`
			Authority string       `json:"ca,omitempty"`
			Payments  int          `json:"payments"`
			Seed      uint64       `json:"seed"`
		}{webhook, app, authority, o.Payments, o.Seed})
	}
	trust := ""
	var b strings.Builder
	fmt.Fprintf(&b, "fake portal with %s\n  webhook    %s\n", plural(int64(o.Payments), "payment"), webhook)
	if app != nil {
		fmt.Fprintf(&b, "  oauth      portal and server %s\n             client_id %s, client_secret %s\n             refresh_token %s\n",
			app.Portal, app.ClientID, app.ClientSecret, app.RefreshToken)
	}
	if authority != "" {
		trust = "SSL_CERT_FILE=" + authority + " "
		fmt.Fprintf(&b, "  authority  %s\n", authority)
	}
	fmt.Fprintf(&b, "\nin another terminal:\n  %sB24_WEBHOOK=%s b24export run --to ./data\n\nctrl-C ends it\n", trust, webhook)
	if _, err := io.WriteString(p.stdout, b.String()); err != nil {
		return err
	}
	return p.stdout.Flush()
}

// writeTemp writes a new file with a unique name for other programs to read.
func writeTemp(pattern string, data []byte) (string, error) {
	file, err := os.CreateTemp("", pattern)
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Close()); err != nil {
		os.Remove(file.Name())
		return "", err
	}
	return file.Name(), nil
}

// farewell prints the requests that the portal received and, with strict, the rules
// that its clients broke.
func (p *program) farewell(portal *bitrixtest.Portal, strict bool) error {
	s := portal.Stats()
	var commands int64
	for _, n := range s.Commands {
		commands += n
	}
	var broken []string
	if strict {
		broken = append([]string{}, portal.Violations()...)
	}
	if p.json {
		if err := p.stdout.line(struct {
			Requests   int64    `json:"requests"`
			Commands   int64    `json:"commands"`
			Refused    int64    `json:"refused"`
			Faults     int64    `json:"faults"`
			Violations []string `json:"violations,omitempty"`
		}{s.Requests, commands, s.Refused + s.RefusedCommands, s.Faults, broken}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(p.stdout, "\nasked for %s in %s; refused %s over a limit; %s\n", plural(commands, "command"),
			plural(s.Requests, "request"), grouped(s.Refused+s.RefusedCommands), plural(s.Faults, "fault"))
		for _, v := range broken {
			fmt.Fprintf(p.stdout, "broken rule: %s\n", v)
		}
	}
	if len(broken) > 0 {
		return exitCode(jobs.ExitFailed)
	}
	return nil
}
