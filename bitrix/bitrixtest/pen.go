package bitrixtest

import "strconv"

// pen writes values as JSON: plainly, or oddly in all the ways that portals do. The
// spelling of a value is seeded by the payment, the field and the method, so that the
// same request gets the same answer.
type pen struct {
	b     []byte
	odd   bool
	dice  dice
	about uint64 // payment and method
	c     *config
	now   int64 // Unix seconds
	lists bool  // write dates as a sale list shows them
}

// The spellings of an absent value, and of an absent id. The plain one is first.
var (
	absentForms = []string{`null`, `""`, `false`, `[]`, `{}`}
	absentIDs   = []string{`null`, `""`, `false`, `[]`, `{}`, `0`, `"0"`}
)

// choose returns one of n spellings of a field; 0 is the plain one.
func (p *pen) choose(field string, n uint64) uint64 {
	if !p.odd || p.c != nil && p.c.OddShare > 0 && !p.dice.hit(p.about|1<<62, p.c.OddShare) {
		return 0
	}
	h := p.about
	for i := range len(field) {
		h = h*31 + uint64(field[i])
	}
	return p.dice.roll(h) % n
}

// key starts a field.
func (p *pen) key(name string) {
	if c := p.b[len(p.b)-1]; c != '{' {
		p.b = append(p.b, ',')
	}
	p.b = append(p.b, '"')
	p.b = append(p.b, name...)
	p.b = append(p.b, '"', ':')
}

// id writes a number that is always present.
func (p *pen) id(name string, n int64) {
	p.key(name)
	p.number(n, p.choose(name, 2) == 1)
}

func (p *pen) number(n int64, quoted bool) {
	if !quoted {
		p.b = strconv.AppendInt(p.b, n, 10)
		return
	}
	p.b = append(p.b, '"')
	p.b = strconv.AppendInt(p.b, n, 10)
	p.b = append(p.b, '"')
}

// optional writes an id, or an absent value for 0.
func (p *pen) optional(name string, n int64) {
	p.key(name)
	if n != 0 {
		p.number(n, p.choose(name, 2) == 1)
		return
	}
	p.b = append(p.b, absentIDs[p.choose(name, uint64(len(absentIDs)))]...)
}

// flag writes a boolean.
func (p *pen) flag(name string, v bool) {
	p.key(name)
	forms := [...]string{`"N"`, `false`, `0`, `"0"`}
	if v {
		forms = [...]string{`"Y"`, `true`, `1`, `"1"`}
	}
	p.b = append(p.b, forms[p.choose(name, uint64(len(forms)))]...)
}

// date writes a time, or an absent value for 0.
func (p *pen) date(name string, unix int64) {
	p.key(name)
	if p.lists && unix != 0 {
		var ok bool
		if unix, ok = p.c.shown(unix, p.now); !ok {
			p.b = append(p.b, `null`...)
			return
		}
	}
	if unix == 0 {
		p.b = append(p.b, absentForms[p.choose(name, uint64(len(absentForms)))]...)
		return
	}
	own := p.c.offsetAt(unix)
	// No offset is an hour from the portal's own, because that would look like summer
	// time.
	offset := [...]int64{own, 0, own + 5*3600, -(3*3600 + 1800), 14 * 3600}
	choice := p.choose(name, uint64(len(offset)+1))
	if choice == uint64(len(offset)) { // Z instead of +00:00
		p.b = appendTime(p.b, unix, 0)
		p.b = append(p.b[:len(p.b)-len(`+00:00"`)], 'Z', '"')
		return
	}
	p.b = appendTime(p.b, unix, offset[choice])
}

// money writes a sum, given in 1/10000.
func (p *pen) money(name string, units int64) {
	p.key(name)
	switch p.choose(name, 4) {
	case 1:
		p.b = append(appendDecimal(append(p.b, '"'), units, 4), '"')
	case 2:
		p.b = append(appendDecimal(append(p.b, '"'), units, 0), '"')
	case 3:
		p.b = appendNoisy(p.b, units)
	default:
		p.b = appendFloat(p.b, units)
	}
}

// word writes a text. encoded is the text in PHP's encoding.
func (p *pen) word(name, text, encoded string) {
	p.key(name)
	if p.choose(name, 2) == 1 {
		p.b = appendRaw(p.b, text)
		return
	}
	p.b = append(p.b, encoded...)
}

// account writes an account number. Some portals send it as a number if it looks like
// one.
func (p *pen) account(name string, number []byte) {
	p.key(name)
	choice := p.choose(name, 3)
	if choice == 2 {
		if _, err := strconv.ParseInt(string(number), 10, 64); err == nil {
			p.b = append(p.b, number...)
			return
		}
	}
	if choice == 1 {
		p.b = appendRaw(p.b, string(number))
		return
	}
	p.b = appendString(p.b, string(number))
}

// fixed writes a field with the given JSON.
func (p *pen) fixed(name, json string) {
	p.key(name)
	p.b = append(p.b, json...)
}
