package lab

import (
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// drop is one rule of the switch: frames from one port to another are dropped.
type drop struct {
	from, to string // host names; empty: any
	percent  uint32 // how many of them, 1 to 100
	tcp      bool   // only TCP over IPv4
	larger   uint32 // only frames with more bytes than that behind their header; 0: all
}

func (sw *exchange) openFilter() error {
	err := sw.ns.run(func() (err error) {
		sw.filter, err = nftables.New(nftables.AsLasting())
		return err
	})
	if err != nil {
		return fmt.Errorf("open the packet filter: %w", err)
	}
	table := sw.filter.AddTable(&nftables.Table{Family: nftables.TableFamilyBridge, Name: "lab"})
	sw.chain = sw.filter.AddChain(&nftables.Chain{
		Name: "faults", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
	})
	if err := sw.filter.Flush(); err != nil {
		return fmt.Errorf("set up the packet filter: %w", err)
	}
	return nil
}

// change replaces the list of drops as a whole, at one instant.
func (sw *exchange) change(edit func([]drop) []drop) error {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	drops := edit(slices.Clone(sw.drops))
	sw.filter.FlushChain(sw.chain)
	for _, d := range drops {
		for _, exprs := range d.rules() {
			sw.filter.AddRule(&nftables.Rule{Table: sw.chain.Table, Chain: sw.chain, Exprs: exprs})
		}
	}
	if err := sw.filter.Flush(); err != nil {
		return fmt.Errorf("change the packet filter: %w", err)
	}
	sw.drops = drops
	return nil
}

// rules are those of the drop: a host may be at its port, or behind a wire.
func (d drop) rules() (all [][]expr.Any) {
	for _, from := range places(expr.MetaKeyIIFNAME, d.from) {
		for _, to := range places(expr.MetaKeyOIFNAME, d.to) {
			all = append(all, append(append([]expr.Any(nil), from...), append(to, d.expressions()...)...))
		}
	}
	return all
}

// places matches where a host can be; any port if there is none.
func places(key expr.MetaKey, host string) [][]expr.Any {
	if host == "" {
		return [][]expr.Any{nil}
	}
	return [][]expr.Any{matchPort(key, portName(host)), matchPort(key, tapName(host))}
}

// expressions are those of a rule, behind the ports.
func (d drop) expressions() []expr.Any {
	var exprs []expr.Any
	if d.tcp {
		exprs = append(exprs,
			&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(unix.ETH_P_IP)},
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		)
	}
	if d.larger > 0 {
		exprs = append(exprs,
			&expr.Meta{Key: expr.MetaKeyLEN, Register: 1},
			&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
			&expr.Cmp{Op: expr.CmpOpGt, Register: 1, Data: binaryutil.BigEndian.PutUint32(d.larger)},
		)
	}
	if d.percent < 100 {
		exprs = append(exprs,
			&expr.Numgen{Register: 1, Modulus: 100, Type: unix.NFT_NG_RANDOM},
			&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
			&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binaryutil.BigEndian.PutUint32(d.percent)},
		)
	}
	return append(exprs, &expr.Verdict{Kind: expr.VerdictDrop})
}

func matchPort(key expr.MetaKey, port string) []expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, port)
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name}}
}

// flushRules removes every table of the namespace, also those of other programs.
func (ns *namespace) flushRules() error {
	var conn *nftables.Conn
	err := ns.run(func() (err error) {
		conn, err = nftables.New(nftables.AsLasting())
		return err
	})
	if err != nil {
		return fmt.Errorf("open the packet filter: %w", err)
	}
	defer func() { _ = conn.CloseLasting() }()
	conn.FlushRuleset()
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("flush the rules: %w", err)
	}
	return nil
}
