package main

import (
	"reflect"
	"testing"
	"time"
)

// A round can be repeated from the seed and its number alone.
func TestARoundIsDrawnFromSeedAndNumber(t *testing.T) {
	other := 0
	for number := 1; number <= 500; number++ {
		p := draw(7, number, time.Second)
		if !reflect.DeepEqual(p, draw(7, number, time.Second)) {
			t.Fatalf("round %d: two draws differ", number)
		}
		if !reflect.DeepEqual(p.First, draw(8, number, time.Second).First) {
			other++
		}
	}
	if other < 400 {
		t.Errorf("another seed changes %d of 500 rounds", other)
	}
}

// Every kind strikes at every moment, and a third of the faults overlap.
func TestDrawsMeetEveryKindAtEveryMoment(t *testing.T) {
	const rounds = 3000
	met := map[kind]map[moment]int{}
	overlapping := 0
	for number := range rounds {
		p := draw(1, number, time.Second)
		if met[p.First.Kind] == nil {
			met[p.First.Kind] = map[moment]int{}
		}
		met[p.First.Kind][p.Moment]++
		if s := p.Second; s != nil {
			overlapping++
			if s.After < p.First.After || p.First.Lasts > time.Second/5 && s.After > p.First.After+p.First.Lasts {
				t.Errorf("round %d: the second fault (%s) begins outside the first (%s, for %s)", number, s.After, p.First.After, p.First.Lasts)
			}
		}
	}
	for _, k := range kinds() {
		for _, m := range moments() {
			if planned := k == kindSwitch || k == kindSwitchNow; met[k][m] == 0 && (m != momentHandover || !planned) {
				t.Errorf("no %s at the moment %s", k, m)
			}
		}
	}
	if share := float64(overlapping) / rounds; share < 0.3 || share > 0.37 {
		t.Errorf("%.2f of the faults overlap, wanted a third", share)
	}
}
