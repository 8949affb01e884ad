package jobfile

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"b24export/bitrix"
	"b24export/schemas"
	"b24export/sinks/address"
)

// webhook reads an inbound webhook's address.
func webhook(p put[bitrix.Secret]) reading {
	const rule = "https://HOST/rest/USER/SECRET/"
	return reading{typ: "address", rule: rule, read: func(s *Spec, at int, text string) *Problem {
		if text == "" {
			return &Problem{What: "is empty", Hint: "Bitrix24 shows it under Developer resources, Other, Inbound webhook"}
		}
		if _, err := bitrix.ParseWebhook(text); err != nil {
			return &Problem{What: strings.TrimPrefix(err.Error(), "webhook: ")}
		}
		p(s, at, bitrix.Secret(text))
		return nil
	}}
}

// web parses a web address: https, or http to this machine.
func web(text string) (*url.URL, *Problem) {
	u, err := url.Parse(text) // the error's text quotes the address
	switch {
	case text == "":
		return nil, &Problem{What: "is empty"}
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, &Problem{What: "must be an address that begins with https://"}
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, &Problem{What: "must begin with https://", Hint: "plain http is for loopback addresses only"}
	}
	return u, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// host reads the address of a server, without anything after the host.
func host(p put[string]) reading {
	return reading{typ: "address", rule: "https://HOST", read: func(s *Spec, at int, text string) *Problem {
		u, f := web(text)
		switch {
		case f != nil:
			return f
		case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
			return &Problem{What: "must end after the host, such as https://acme.bitrix24.com"}
		}
		p(s, at, u.Scheme+"://"+strings.ToLower(u.Host))
		return nil
	}}
}

// pageAddress reads the address of a page.
func pageAddress(p put[string]) reading {
	return reading{typ: "address", rule: "https://…", read: func(s *Spec, at int, text string) *Problem {
		if _, f := web(text); f != nil {
			return f
		}
		p(s, at, text)
		return nil
	}}
}

var buckets = []string{"s3", "gs", "azblob"}

// destination reads a bucket's address or a path.
func destination(p put[string]) reading {
	const rule = "s3://…, gs://…, azblob://…, file:///… or a path"
	return reading{typ: "address or path", rule: rule, read: func(s *Spec, at int, text string) *Problem {
		to, err := address.Parse(text)
		switch {
		case text == "":
			return &Problem{What: "is empty", Hint: "a bucket such as s3://warehouse/bitrix24, or a path"}
		case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return &Problem{What: "has a line break or another control character in it"}
		case to.HasHome():
			return &Problem{What: "begins with ~, which only a shell knows", Hint: "write the whole path, or ./~ for a folder with that name"}
		case to.HasFragment():
			return &Problem{What: "has a #, which begins the part of an address that no server gets", Hint: "write %23 for the character"}
		case err != nil:
			return &Problem{What: "is not an address: must be " + rule}
		case to.Scheme() == "":
		case !strings.HasPrefix(text, to.Scheme()): // in capitals
			return &Problem{What: "must be " + rule}
		case to.IsFolder() && (to.HasOtherHost() || to.Prefix() == ""):
			return &Problem{What: "must have three slashes and a folder: file:///var/data"}
		case to.IsFolder():
		case !slices.Contains(buckets, to.Scheme()):
			return &Problem{What: "must be " + rule}
		case to.Bucket() == "":
			return &Problem{What: "has no bucket: " + to.Scheme() + "://BUCKET/FOLDER"}
		case to.HasUser():
			return &Problem{What: "has a user in it", Hint: "keys for a bucket come from the environment, as its SDK reads them"}
		case to.Query().Has("prefix"), to.Query().Has("key"):
			return &Problem{What: "has the parameter prefix or key, which is not known", Hint: "write the folder as the path: " + to.Scheme() + "://BUCKET/FOLDER"}
		}
		p(s, at, text)
		return nil
	}}
}

// entityType reads the number of a CRM type.
func entityType(p put[int64]) reading {
	const rule = "2 (deals), 31 (smart invoices), or 128 and above (smart processes)"
	return reading{typ: "whole number", rule: rule, read: func(s *Spec, at int, text string) *Problem {
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil || v != 2 && v != 31 && v < 128 {
			return &Problem{What: "must be " + rule}
		}
		p(s, at, v)
		return nil
	}}
}

// field reads the name of a field of sale.payment.list that has no column.
func field(p put[string]) reading {
	const rule = "a field's name as the portal spells it, such as companyId"
	return reading{typ: "name", rule: rule, read: func(s *Spec, at int, text string) *Problem {
		if !fieldName.MatchString(text) {
			return &Problem{What: "must be " + rule}
		}
		if schemas.HadColumn(text) {
			return &Problem{What: "has a column of its own: leave it out"}
		}
		p(s, at, text)
		return nil
	}}
}

// portalNameOf derives a portal's name from its address: the portal's own name if
// Bitrix24 hosts it, otherwise the whole host. It is empty if the address has no valid
// name.
func portalNameOf(address string) string {
	host, _, _ := strings.Cut(strings.ToLower(address), ":")
	if _, v6, ok := strings.Cut(address, "["); ok {
		host, _, _ = strings.Cut(v6, "]")
	}
	if labels := strings.Split(host, "."); len(labels) > 2 && labels[1] == "bitrix24" {
		host = labels[0]
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, host)
	name = strings.TrimLeft(name, "-")
	return name[:min(len(name), 63)]
}
