// Package chart draws what programs took for work of different sizes, as SVG.
package chart

import (
	"bytes"
	"fmt"
	"math"
	"strings"
)

// In pixels.
const (
	wide, high = 720, 360
	left, top  = 60, 20
	right      = 260 // for the names of the lines
	bottom     = 40
)

// Line is what one program took for one work, by size.
type Line struct {
	Name   string       // of the program, a colon, and the work
	Points [][2]float64 // size, seconds
}

// axis places values between two ends by their logarithms.
type axis struct{ least, most, from, to float64 }

func (a axis) at(v float64) float64 {
	return a.from + (a.to-a.from)*math.Log10(v/a.least)/math.Log10(a.most/a.least)
}

// decades are the powers of ten on the axis.
func (a axis) decades() (all []float64) {
	for v := a.least; v <= a.most*1.001; v *= 10 {
		all = append(all, v)
	}
	return all
}

// Draw draws lines, both axes by logarithms. Sizes are numbers of what of says.
func Draw(of string, lines []*Line) []byte {
	x := axis{least: math.Inf(1), from: left, to: wide - right}
	y := axis{least: math.Inf(1), from: high - bottom, to: top}
	for _, l := range lines {
		for _, p := range l.Points {
			x.least, x.most = min(x.least, p[0]), max(x.most, p[0])
			y.least, y.most = min(y.least, p[1]), max(y.most, p[1])
		}
	}
	y.least, y.most = math.Pow10(int(math.Floor(math.Log10(y.least)))), math.Pow10(int(math.Ceil(math.Log10(y.most))))
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n", wide, high)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", wide, high)
	for _, v := range y.decades() {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%g s</text>`+"\n", left, y.at(v), x.to, left-6, y.at(v)+4, v)
	}
	for _, v := range x.decades() {
		fmt.Fprintf(&b, `<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%.0f %s</text>`+"\n", x.at(v), top, high-bottom, x.at(v), high-bottom+18, v, of)
	}
	colors := map[string]string{"rsync daemon": "#888", "rsync over ssh": "#c60", "Baton": "#06c"}
	dashes := []string{"", "5 3", "2 2"}
	seen := map[string]int{}
	for i, l := range lines {
		program, _, _ := strings.Cut(l.Name, ":")
		style := fmt.Sprintf(`fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s"`, colors[program], dashes[seen[program]%len(dashes)])
		seen[program]++
		var path []string
		for _, p := range l.Points {
			path = append(path, fmt.Sprintf("%.1f %.1f", x.at(p[0]), y.at(p[1])))
		}
		fmt.Fprintf(&b, `<path d="M%s" %s/>`+"\n", strings.Join(path, "L"), style)
		fmt.Fprintf(&b, `<path d="M%d %dh24" %s/><text x="%d" y="%d">%s</text>`+"\n", wide-right+20, top+10+18*i, style, wide-right+50, top+14+18*i, l.Name)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
