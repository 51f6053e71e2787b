package wasmfile

// sections says for each number which section it is, where it belongs in the
// order of the file, and what reads it.
var sections = [...]struct {
	name string
	rank int // 0: anywhere
	read func(*decoder)
}{
	0:  {"custom", 0, (*decoder).customSection},
	1:  {"type", 1, (*decoder).typeSection},
	2:  {"import", 2, (*decoder).importSection},
	3:  {"function", 3, (*decoder).functionSection},
	4:  {"table", 4, (*decoder).tableSection},
	5:  {"memory", 5, (*decoder).memorySection},
	6:  {"global", 6, (*decoder).globalSection},
	7:  {"export", 7, (*decoder).exportSection},
	8:  {"start", 8, (*decoder).startSection},
	9:  {"element", 9, (*decoder).elementSection},
	10: {"code", 11, (*decoder).codeSection},
	11: {"data", 12, (*decoder).dataSection},
	12: {"data count", 10, (*decoder).dataCountSection},
}

// sectionTag is the number of the section that declares exceptions.
const sectionTag = 13

// nextSection reads one section.
func (d *decoder) nextSection() {
	at := d.pos
	d.section, d.item = "section", ""
	id := d.byte("number")
	if int(id) >= len(sections) {
		if id == sectionTag {
			d.fail(at, RuleFeature, "a tag section: exceptions are not supported, build without them")
		}
		d.fail(at, RuleMalformed, "section number %d is unknown: the file is damaged, or made with a later WebAssembly than 2.0", id)
		return
	}
	s := sections[id]
	d.section = s.name + " section"
	if s.rank != 0 {
		switch {
		case s.rank == d.rank:
			d.fail(at, RuleMalformed, "a second one: the file is damaged")
		case s.rank < d.rank:
			d.fail(at, RuleMalformed, "out of order, it belongs further ahead: the file is damaged")
		}
		d.rank = s.rank
	}
	size := d.u32("size")
	where := Section{ID: id, Offset: at, Start: d.pos, End: d.pos + int(min(uint64(size), uint64(d.left())))}
	d.within("a section", size, func() {
		d.module.Sections = append(d.module.Sections, where)
		s.read(d)
		d.item = ""
	})
}

// customSection reads the name and, of the sections that have one, looks only
// into the one that runtimes decode.
func (d *decoder) customSection() {
	start := d.pos
	if d.customs++; d.customs > maxCustoms {
		d.fail(start, RuleLimit, "more than %d custom sections: strip what is not needed", maxCustoms)
	}
	name := string(d.name("name", maxName))
	if d.err != nil {
		return
	}
	d.module.Sections[len(d.module.Sections)-1].Name = name
	if name != "name" {
		d.section = "custom section " + quote(name)
		d.pos = d.end
		return
	}
	d.section = "name section"
	if d.sawName {
		d.fail(start, RuleMalformed, "a second one: the file is damaged")
	}
	d.sawName = true
	for d.left() > 0 {
		d.nextNames()
	}
}

// Subsections of the name section that runtimes decode.
const (
	namesOfModule    = 0
	namesOfFunctions = 1
	namesOfLocals    = 2
)

// nextNames reads one subsection of the name section.
func (d *decoder) nextNames() {
	d.item = ""
	id := d.byte("subsection number")
	size := d.u32("subsection size")
	d.at("subsection", int(id))
	d.within("a subsection", size, func() {
		switch id {
		case namesOfModule:
			d.moduleName = max(d.moduleName, len(d.name("module name", maxName)))
		case namesOfFunctions:
			d.nameMap("function name count", "function name")
		case namesOfLocals:
			n := d.count("function count", minNamed, maxDebugNames-d.names)
			d.names += n
			d.localNames += n
			for i := 0; i < n && d.err == nil; i++ {
				d.u32("function index")
				d.nameMap("local name count", "local name")
			}
		default:
			d.pos = d.end
		}
	})
}

// nameMap passes over indexes and their names.
func (d *decoder) nameMap(count, name string) {
	n := d.count(count, minNamed, maxDebugNames-d.names)
	d.names += n
	for i := 0; i < n && d.err == nil; i++ {
		d.u32("index")
		d.name(name, maxDebugName)
	}
}
