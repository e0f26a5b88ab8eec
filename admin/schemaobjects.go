package admin

// Texts of forms in which a list or an object is JSON.
const (
	jsonObject      = `^\s*(\{|$)`
	jsonListOrBlank = `^\s*(\[|$)`
)

func (*Roles) jsonSchema(bool) *schema {
	return oneOfThese(
		&schema{Type: "object", AdditionalProperties: &schema{Type: "string"}},
		(*Roles)(nil).textSchema(false))
}

func (*Roles) textSchema(bool) *schema {
	return &schema{Type: "string", ContentMediaType: "application/json", Pattern: jsonObject}
}

func (*IDLists) jsonSchema(bool) *schema {
	return oneOfThese(
		&schema{Type: "object", AdditionalProperties: (*Ints)(nil).jsonSchema(false).orNull()},
		(*IDLists)(nil).textSchema(false))
}

func (*IDLists) textSchema(bool) *schema {
	return &schema{Type: "string", ContentMediaType: "application/json", Pattern: jsonObject}
}

func (*Conditions) jsonSchema(bool) *schema {
	word := &schema{Type: "string"}
	return &schema{Type: "array", Items: &schema{Type: "object", Properties: members{{"type", word.orNull()}, {"operator", word.orNull()}, {"data", &schema{}}}}}
}

func (*Conditions) textSchema(bool) *schema {
	return &schema{Type: "string", ContentMediaType: "application/json", Pattern: jsonListOrBlank}
}

func (*AuthParams) jsonSchema(bool) *schema {
	word := &schema{Type: "string"}
	return &schema{Type: "array", Items: &schema{
		Type: "object", Required: []string{"where", "key"},
		Properties: members{{"where", word}, {"key", word}, {"value", word.orNull()}},
	}}
}

func (*AuthParams) textSchema(bool) *schema {
	return &schema{Type: "string", ContentMediaType: "application/json", Pattern: jsonListOrBlank}
}

var (
	_ described = (*Roles)(nil)
	_ described = (*IDLists)(nil)
	_ described = (*Conditions)(nil)
	_ described = (*AuthParams)(nil)
)
