package admin

// Patterns of texts that stand for other kinds. White space around is ignored.
const (
	intText     = `^\s*[+-]?[0-9]+\s*$`
	intOrBlank  = `^\s*([+-]?[0-9]+)?\s*$`
	intsText    = `^\s*([+-]?[0-9]+)?\s*(,\s*([+-]?[0-9]+)?\s*)*$`
	boolText    = `^\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|0|1)\s*$`
	boolOrBlank = `^\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|0|1)?\s*$`
	jsonList    = `^\s*\[`
)

func text(required bool, filled, blank string) *schema {
	if required {
		return &schema{Type: "string", Pattern: filled}
	}
	return &schema{Type: "string", Pattern: blank}
}

func oneOfThese(list ...*schema) *schema { return &schema{AnyOf: list} }

func number() *schema {
	return &schema{Type: "integer", Format: "int64", Minimum: "-9223372036854775808", Maximum: "9223372036854775807"}
}

func (*Int) jsonSchema(required bool) *schema {
	s := number()
	s.Type, s.Pattern = []string{"integer", "string"}, text(required, intText, intOrBlank).Pattern
	s.Format = ""
	return s
}

func (*Int) textSchema(required bool) *schema { return text(required, intText, intOrBlank) }

func (*Bool) jsonSchema(required bool) *schema {
	return oneOfThese(&schema{Type: "boolean"}, text(required, boolText, boolOrBlank), &schema{Type: "integer", Minimum: "0", Maximum: "1"})
}

func (*Bool) textSchema(required bool) *schema { return text(required, boolText, boolOrBlank) }

func (*Ints) jsonSchema(bool) *schema {
	return oneOfThese(&schema{Type: "array", Items: (*Int)(nil).jsonSchema(false)}, number(), &schema{Type: "string", Pattern: intsText})
}

func (*Ints) textSchema(bool) *schema { return &schema{Type: "string", Pattern: intsText} }

func (*Refs) jsonSchema(bool) *schema {
	ref := &schema{Type: "object", Required: []string{"id"}, Properties: members{{"id", (*Int)(nil).jsonSchema(true)}}}
	s := (*Ints)(nil).jsonSchema(false)
	s.AnyOf = append([]*schema{{Type: "array", Items: ref}}, s.AnyOf...)
	return s
}

func (*Refs) textSchema(bool) *schema {
	return oneOfThese(&schema{Type: "string", Pattern: intsText}, &schema{Type: "string", Pattern: jsonList})
}

func (*Strings) jsonSchema(bool) *schema {
	return oneOfThese(&schema{Type: "array", Items: &schema{Type: "string"}}, &schema{Type: "string", Description: "with commas between"})
}

func (*Strings) textSchema(bool) *schema { return &schema{Type: "string"} }

func (*Text) jsonSchema(bool) *schema { return &schema{Type: "string"} }
func (*Text) textSchema(bool) *schema { return &schema{Type: "string"} }

func (*Document) jsonSchema(required bool) *schema {
	s := &schema{Type: []string{"string", "object", "array"}}
	if required {
		s.MinLength = 1
	}
	return s
}

func (*Document) textSchema(required bool) *schema {
	s := &schema{Type: "string", Format: "binary"}
	if required {
		s.MinLength = 1
	}
	return s
}

func (*Tags) jsonSchema(bool) *schema {
	tag := &schema{
		Type: "object", Required: []string{"keyName", "value"},
		Properties: members{{"keyName", &schema{Type: "string"}}, {"value", &schema{Type: "string"}}},
	}
	return oneOfThese(&schema{Type: "array", Items: tag}, tag, &schema{Type: "string", Description: "the environment"})
}

func (*Tags) textSchema(bool) *schema { return &schema{Type: "string"} }

func (*APIs) jsonSchema(bool) *schema {
	return &schema{Type: "array", Items: &schema{
		Type: "object", Required: []string{"apiCollectionId", "url", "method"},
		Properties: members{
			{"apiCollectionId", (*Int)(nil).jsonSchema(true)},
			{"url", &schema{Type: "string", MinLength: 1}},
			{"method", &schema{Type: "string", MinLength: 1}},
		},
	}}
}

func (*APIs) textSchema(required bool) *schema {
	return text(required, jsonList, `^\s*(\[|$)`)
}

var (
	_ described = (*Int)(nil)
	_ described = (*Bool)(nil)
	_ described = (*Ints)(nil)
	_ described = (*Refs)(nil)
	_ described = (*Strings)(nil)
	_ described = (*Text)(nil)
	_ described = (*Document)(nil)
	_ described = (*Tags)(nil)
	_ described = (*APIs)(nil)
)
