package schemas

import "testing"

const sampleListed = `{"id":"1036","accountNumber":"3653\/1","paid":"Y","datePaid":"2024-05-20T12:32:02+02:00",` +
	`"empPaidId":"1","paySystemId":"6","sum":1250.5,"currency":"RUB",` +
	`"paySystemName":"\u041d\u0430\u043b\u0438\u0447\u043d\u044b\u0435","orderId":"77",` +
	`"dateBill":"2024-05-19T01:00:00+03:00","companyId":"12"}`

func BenchmarkReadGot(b *testing.B) {
	b.ReportAllocs()
	raw := []byte(sampleGot)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		var p Payment
		if err := p.ReadGot(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadListed(b *testing.B) {
	for _, bench := range []struct {
		name   string
		fields []string
	}{{"columns only", nil}, {"with a field", []string{"companyId"}}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			raw := []byte(sampleListed)
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				var p Payment
				if err := p.ReadListed(raw, bench.fields); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseDecimal(b *testing.B) {
	for _, text := range []string{"0", "1250.5", "0.10000000000000001", "1.5E2"} {
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseDecimal(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseInstant(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, rule := parseInstant([]byte("2024-05-20T12:32:02+02:00")); rule != "" {
			b.Fatal(rule)
		}
	}
}

func BenchmarkSameListed(b *testing.B) {
	fields := []string{"companyId"}
	var listed, last Payment
	for _, p := range []*Payment{&listed, &last} {
		if err := p.ReadListed([]byte(sampleListed), fields); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if !SameListed(&listed, &last, fields) {
			b.Fatal("not the same")
		}
	}
}
