package jsonscan

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkScan skips a list of 50 rows, as portals send them.
func BenchmarkScan(b *testing.B) {
	var list strings.Builder
	for i := range 50 {
		if i > 0 {
			list.WriteByte(',')
		}
		fmt.Fprintf(&list, `{"accountNumber":"%d\/1","currency":"EUR","dateBill":"2023-11-09T15:45:22+03:00","datePaid":"2023-11-16T19:24:12+03:00","empPaidId":null,"id":%d,"isReturn":"N","orderId":%d,"paid":"Y","paySystemId":2,"paySystemName":"\u041a\u0430\u0440\u0442\u0430","responsibleId":%d,"sum":%d.91}`,
			3000+i/2, 6580+i, 3000+i/2, i%7, i*i*i)
	}
	text := []byte("[" + list.String() + "]")
	s := &Scanner{}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.Reset(text)
		if err := s.SkipValue(); err != nil {
			b.Fatal(err)
		}
	}
}
