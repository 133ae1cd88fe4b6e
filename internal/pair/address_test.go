package pair_test

import (
	"strings"
	"testing"

	"baton/internal/pair"
)

func TestAnAddressIsFoundInWhatWasPasted(t *testing.T) {
	for typed, want := range map[string]pair.HostPort{
		"beta.example.com":                    {Host: "beta.example.com"},
		"Beta.Example.COM:8443":               {Host: "beta.example.com", Port: 8443},
		"https://beta.example.com/":           {Host: "beta.example.com"},
		"HTTPS://beta.example.com:8443/login": {Host: "beta.example.com", Port: 8443},
		"http://beta/login?next=/#top":        {Host: "beta"},
		"beta.example.com/":                   {Host: "beta.example.com"},
		"beta.example.com.":                   {Host: "beta.example.com"},
		"my_host":                             {Host: "my_host"},
		"xn--brse-5qa.example":                {Host: "xn--brse-5qa.example"},
		"\u2009198.51.100.2\u00a0":            {Host: "198.51.100.2"},
		"\ufeff198.51.100.2:443\r\n":          {Host: "198.51.100.2", Port: 443},
		"https://198.51.100.2:443/":           {Host: "198.51.100.2", Port: 443},
		"2001:db8::2":                         {Host: "2001:db8::2"},
		"[2001:DB8::2]":                       {Host: "2001:db8::2"},
		"[2001:db8::2]:8443":                  {Host: "2001:db8::2", Port: 8443},
		"https://[2001:db8::2]:8443/login":    {Host: "2001:db8::2", Port: 8443},
		"fe80::2%eth0":                        {Host: "fe80::2%eth0"},
	} {
		if got, err := pair.ParseHostPort(typed); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", typed, got, err, want)
		}
	}
}

func TestWhatIsNoAddressIsRefusedWithWhatWouldBe(t *testing.T) {
	for typed, says := range map[string]string{
		"":                        "write a host name or an IP address",
		"   ":                     "write a host name or an IP address",
		"https://":                "write a host name or an IP address",
		"ftp://beta.example.com":  "https://",
		"admin@beta.example.com":  "without a user name",
		"198.51.100.0/24":         "is a network",
		"198.51.100.300":          "is no IP address",
		"198.51.100":              "is no IP address",
		"beta.example.com:":       "1 to 65535",
		"beta.example.com:0":      "1 to 65535",
		"beta.example.com:70000":  "1 to 65535",
		"beta.example.com:https":  "1 to 65535",
		"[2001:db8::2":            "is no IP address",
		"2001:db8::zz":            "is no IP address",
		"[beta]":                  "is no IP address",
		"0.0.0.0":                 "no single machine",
		"[::]:443":                "no single machine",
		"224.0.0.1":               "no single machine",
		"beta example":            "host name or an IP address",
		"beta\u200b.example":      "zero-width space",
		"b\u00eata.example":       "xn--",
		"-beta":                   "host name or an IP address",
		"beta..example":           "host name or an IP address",
		strings.Repeat("b", 64):   "host name or an IP address",
		strings.Repeat("b.", 150): "host name or an IP address",
	} {
		if got, err := pair.ParseHostPort(typed); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %+v, %v; want %s", typed, got, err, says)
		}
	}
}
