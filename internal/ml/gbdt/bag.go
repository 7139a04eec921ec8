package gbdt

// bagBlock is how many rows share a random generator.
const bagBlock = 1024

// bagger samples rows without replacement, each by itself.
type bagger struct {
	p       *Params
	label   []float32
	randoms []lcg
	// in and out are the rows in the bag and those left out, ascending.
	in, out []int32
}

func newBagger(p *Params, label []float32) *bagger {
	b := &bagger{p: p, label: label}
	for i := 0; i < len(label); i += bagBlock {
		b.randoms = append(b.randoms, lcg(uint32(p.BaggingSeed+i/bagBlock)))
	}
	return b
}

// draw fills the bag anew.
func (b *bagger) draw() {
	b.in, b.out = b.in[:0], b.out[:0]
	balanced := b.p.balancedBags()
	for i, y := range b.label {
		fraction := b.p.BaggingFraction
		if balanced {
			fraction = b.p.NegBaggingFraction
			if y > 0 {
				fraction = b.p.PosBaggingFraction
			}
		}
		if float64(b.randoms[i/bagBlock].float()) < fraction {
			b.in = append(b.in, int32(i))
		} else {
			b.out = append(b.out, int32(i))
		}
	}
}
