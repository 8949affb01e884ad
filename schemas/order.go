package schemas

// kind is what a reader reads. Objects of one kind usually have the same names in the
// same order, because one method of the portal returns them.
type kind int

const (
	listedPayment kind = iota
	gotPayment
	ownerOfOrder
	otherObject
	kinds
)

// order is the names of an earlier object, in their order. They are distinct. An object
// that has them too has no name twice, and needs no search for its names.
type order struct {
	// labels are what the object has before each value: {"name": or ,"name":, without
	// escapes.
	labels [][]byte
}

const (
	// maxOrder and longestName bound the memory of an order.
	maxOrder    = 64
	longestName = 64
)

// learn sets the i-th name. The first i names must be those of the same object, which
// has no name twice.
func (o *order) learn(i int, name []byte) {
	if i < len(o.labels) {
		if string(labelled(o.labels[i])) == string(name) {
			return
		}
		o.labels = o.labels[:i]
	}
	if i != len(o.labels) || i == maxOrder || len(name) > longestName {
		return
	}
	first := byte(',')
	if i == 0 {
		first = '{'
	}
	if i == cap(o.labels) {
		o.labels = append(o.labels, nil)
	}
	o.labels = o.labels[:i+1] // with the memory of an earlier label
	o.labels[i] = append(append(append(o.labels[i][:0], first, '"'), name...), '"', ':')
}

// labelled returns the name in a label.
func labelled(label []byte) []byte { return label[2 : len(label)-2] }

// ordered is next for an object that has the names of r.order, no white space,
// and no arrays or objects. It reports whether the object has ended.
// It sets r.known to false at anything else, in particular at what is invalid.
func (r *reader) ordered() (end bool) {
	raw, at := r.raw, r.at
	if at+1 == len(raw) && raw[at] == '}' && r.count > 0 {
		return true
	}
	if r.count < len(r.order.labels) {
		label := r.order.labels[r.count]
		if from := at + len(label); from <= len(raw) && string(raw[at:from]) == string(label) {
			if to, escaped := r.scan.Scalar(from); to >= 0 {
				r.at = to
				r.count++
				r.name = labelled(label)
				r.interpret(raw[from:to:to], escaped)
				return false
			}
		}
	}
	r.known = false
	return false
}
