package money

import (
	"fmt"
	"strings"
)

// Currency is an ISO 4217 alphabetic code in upper case, such as "USD". The
// empty Currency means that none is known.
type Currency string

// The active codes of ISO 4217 by the number of decimals of their minor unit.
// Funds, metals and test codes are left out: nothing on a shelf is priced in
// them. golang.org/x/text/currency is not used because its decimals are the
// CLDR's customs of display (none for AFN or IQD, say), not the standard's
// minor units.
const (
	codesOf0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF "
	codesOf3 = "BHD IQD JOD KWD LYD OMR TND "
	codesOf2 = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD " +
		"CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD " +
		"GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL " +
		"MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK " +
		"PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB " +
		"TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG "
)

var exponents = func() map[Currency]int {
	m := make(map[Currency]int, 160)
	for exp, codes := range map[int]string{0: codesOf0, 2: codesOf2, 3: codesOf3} {
		for code := range strings.FieldsSeq(codes) {
			m[Currency(code)] = exp
		}
	}
	return m
}()

// ParseCurrency accepts a known code in any case.
func ParseCurrency(s string) (Currency, error) {
	c := Currency(strings.ToUpper(strings.TrimSpace(s)))
	if !c.Known() {
		return "", fmt.Errorf("currency %q is not an active ISO 4217 code: write a code such as USD", s)
	}
	return c, nil
}

// Known says whether the code is an active one of ISO 4217.
func (c Currency) Known() bool {
	_, ok := exponents[c]
	return ok
}

// Exponent is the number of decimals of the minor unit: 2 for USD, 0 for JPY,
// 3 for KWD. It is 2 for a code that is not known.
func (c Currency) Exponent() int {
	switch c {
	case "USD", "EUR", "CAD", "AUD", "GBP":
		return 2
	}
	if exp, ok := exponents[c]; ok {
		return exp
	}
	return 2
}

// Unit is one whole unit of the currency in minor units: 100 for USD, 1 for
// JPY, 1000 for KWD.
func (c Currency) Unit() Minor { return Minor(powersOfTen[c.Exponent()]) }

// symbols lists what else than its code may stand beside an amount. A symbol
// that several currencies share is taken as the currency the row is read in.
var symbols = []struct {
	text string
	of   string
}{
	{"US$", "USD"}, {"CA$", "CAD"}, {"C$", "CAD"}, {"AU$", "AUD"}, {"A$", "AUD"}, {"NZ$", "NZD"},
	{"HK$", "HKD"}, {"R$", "BRL"}, {"S$", "SGD"},
	{"$", "USD CAD AUD NZD HKD SGD MXN ARS CLP COP TWD"},
	{"€", "EUR"}, {"£", "GBP EGP GIP"}, {"¥", "JPY CNY"}, {"円", "JPY"}, {"元", "CNY"}, {"₹", "INR"},
	{"₩", "KRW"}, {"₪", "ILS"}, {"₺", "TRY"}, {"₫", "VND"}, {"₴", "UAH"}, {"₽", "RUB"}, {"₱", "PHP"},
	{"฿", "THB"}, {"zł", "PLN"}, {"Kč", "CZK"}, {"Ft", "HUF"}, {"kr.", "DKK NOK SEK ISK"}, {"kr", "DKK NOK SEK ISK"},
	{"Fr.", "CHF"}, {"lei", "RON"},
}
