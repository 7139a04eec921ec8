package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/bodega-hq/bodega/internal/app/term"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
)

// MerchantCmd is `bodega merchant`.
type MerchantCmd struct {
	Create MerchantCreateCmd `cmd:"" help:"Make a merchant."`
	List   MerchantListCmd   `cmd:"" help:"List merchants."`
	Limits MerchantLimitsCmd `cmd:"" help:"Show or set when a merchant's prices are held for a person."`
}

// MerchantCreateCmd is `bodega merchant create`.
type MerchantCreateCmd struct {
	Remote   `embed:""`
	ID       string `required:"" help:"Id: lower-case letters, digits, - and _."`
	Name     string `required:"" help:"Name for people."`
	Currency string `required:"" help:"ISO 4217 code of the merchant's prices, such as USD."`
}

// Run makes the merchant.
func (c *MerchantCreateCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := api.merchants.CreateMerchant(ctx, &inventoryv1.CreateMerchantRequest{MerchantId: c.ID, Name: c.Name, Currency: c.Currency})
	if err != nil {
		return err
	}
	return t.Print(message{out.GetMerchant()}, textLine("Merchant %s is there.", c.ID))
}

// MerchantListCmd is `bodega merchant list`.
type MerchantListCmd struct {
	Remote `embed:""`
}

// Run lists the merchants.
func (c *MerchantListCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	list := []message{}
	var rows [][]string
	for token := ""; ; {
		out, err := api.merchants.ListMerchants(ctx, &inventoryv1.ListMerchantsRequest{PageToken: token, PageSize: 1000})
		if err != nil {
			return err
		}
		for _, m := range out.GetMerchants() {
			list = append(list, message{m})
			rows = append(rows, []string{m.GetMerchantId(), m.GetName(), m.GetCurrency(), strconv.Itoa(int(m.GetStoreCount())), m.GetMappingName()})
		}
		if token = out.GetNextPageToken(); token == "" {
			break
		}
	}
	return t.Print(list, textTable([]string{"id", "name", "currency", "stores", "mapping"}, rows,
		"There is no merchant yet: `bodega merchant create` makes one."))
}

// StoreCmd is `bodega store`.
type StoreCmd struct {
	Create   StoreCreateCmd   `cmd:"" help:"Make a store."`
	List     StoreListCmd     `cmd:"" help:"List stores."`
	Settings StoreSettingsCmd `cmd:"" help:"Set how a store's prices are computed, and judge its items again."`
}

// StoreCreateCmd is `bodega store create`.
type StoreCreateCmd struct {
	Remote   `embed:""`
	Merchant string `required:"" help:"Merchant's id."`
	ID       string `required:"" help:"Store's id, as the merchant's files name it."`
	Name     string `required:"" help:"Name for people."`
	Region   string `help:"Region, which feeds may address as a whole."`
}

// Run makes the store.
func (c *StoreCreateCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := api.merchants.CreateStore(ctx, &inventoryv1.CreateStoreRequest{MerchantId: c.Merchant, StoreId: c.ID, Name: c.Name, Region: c.Region})
	if err != nil {
		return err
	}
	return t.Print(message{out.GetStore()}, textLine("Store %s/%s is there.", c.Merchant, c.ID))
}

// StoreListCmd is `bodega store list`.
type StoreListCmd struct {
	Remote   `embed:""`
	Merchant string `help:"Stores of this merchant only."`
}

// Run lists the stores.
func (c *StoreListCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	list := []message{}
	var rows [][]string
	for token := ""; ; {
		out, err := api.merchants.ListStores(ctx, &inventoryv1.ListStoresRequest{MerchantId: c.Merchant, PageToken: token, PageSize: 1000})
		if err != nil {
			return err
		}
		for _, s := range out.GetStores() {
			list = append(list, message{s})
			rows = append(rows, []string{
				s.GetMerchantId() + "/" + s.GetStoreId(), s.GetName(), s.GetRegion(), fmt.Sprint(s.GetItems()), fmt.Sprint(s.GetShown()),
				fmt.Sprint(s.GetHidden()), fmt.Sprint(s.GetHeld()),
			})
		}
		if token = out.GetNextPageToken(); token == "" {
			break
		}
	}
	return t.Print(list, textTable([]string{"store", "name", "region", "items", "shown", "hidden", "held"}, rows,
		"There is no store yet: `bodega store create` makes one."))
}

// StoreSettingsCmd is `bodega store settings`.
type StoreSettingsCmd struct {
	Remote    `embed:""`
	Store     string `required:"" placeholder:"MERCHANT/STORE" help:"Store."`
	Inflation int32  `name:"inflation-basis-points" help:"Added to every price, in hundredths of a percent."`
	Round     int32  `name:"round-to-minor" help:"Round prices to a multiple of this many minor units."`
}

// Run sets the store's price settings.
func (c *StoreSettingsCmd) Run(ctx context.Context, t *term.Terminal) error {
	merchant, store := splitStore(c.Store)
	if merchant == "" {
		return fmt.Errorf("store %q: name it with its merchant, as MERCHANT/STORE", c.Store)
	}
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := api.merchants.SetPriceSettings(ctx, &inventoryv1.SetPriceSettingsRequest{
		MerchantId: merchant, StoreId: store,
		Settings: &inventoryv1.PriceSettings{InflationBasisPoints: c.Inflation, RoundToMinor: c.Round},
	})
	if err != nil {
		return err
	}
	text := textLine("The settings were so already.")
	if out.GetFeedId() != "" {
		text = textLine("The settings are changed; %s judges the store's items again.", out.GetFeedId())
	}
	return t.Print(message{out}, text)
}

// MappingCmd is `bodega mapping`.
type MappingCmd struct {
	Apply MappingApplyCmd `cmd:"" help:"Apply a mapping profile: feeds that name none are read with the newest."`
	Show  MappingShowCmd  `cmd:"" help:"Print a mapping profile or a preset."`
}

// MappingApplyCmd is `bodega mapping apply`.
type MappingApplyCmd struct {
	Remote   `embed:""`
	Merchant string `required:"" help:"Merchant's id."`
	File     string `short:"f" required:"" placeholder:"MAPPING.yaml" help:"Profile; - reads standard input."`
}

// Run applies the profile.
func (c *MappingApplyCmd) Run(ctx context.Context, t *term.Terminal) error {
	yaml, err := readInput(t, c.File)
	if err != nil {
		return err
	}
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := api.merchants.ApplyMapping(ctx, &inventoryv1.ApplyMappingRequest{MerchantId: c.Merchant, Yaml: yaml})
	if err != nil {
		return err
	}
	return t.Print(message{out}, textLine("Mapping %s is applied, version %.12s.", out.GetName(), out.GetVersion()))
}

// MappingShowCmd is `bodega mapping show`.
type MappingShowCmd struct {
	Remote   `embed:""`
	Merchant string `required:"" help:"Merchant's id."`
	Name     string `arg:"" optional:"" help:"Profile or preset; the merchant's newest without it."`
}

// Run prints the profile.
func (c *MappingShowCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := api.merchants.GetMapping(ctx, &inventoryv1.GetMappingRequest{MerchantId: c.Merchant, Name: c.Name})
	if err != nil {
		return err
	}
	return t.Print(map[string]string{"name": out.GetName(), "version": out.GetVersion(), "yaml": string(out.GetYaml())}, func(w io.Writer) error {
		_, err := w.Write(out.GetYaml())
		return err
	})
}

// CatalogCmd is `bodega catalog`.
type CatalogCmd struct {
	Load CatalogLoadCmd `cmd:"" help:"Load products: CSV with gtin, brand, name, category, unit, size."`
}

// CatalogLoadCmd is `bodega catalog load`.
type CatalogLoadCmd struct {
	Remote `embed:""`
	File   string `arg:"" placeholder:"FILE.csv" help:"Products."`
}

// catalogPiece is how much of a catalogue one message carries.
const catalogPiece = 256 << 10

// Run loads the file.
func (c *CatalogLoadCmd) Run(ctx context.Context, t *term.Terminal) error {
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := api.loadCatalog(ctx, bufio.NewReaderSize(file, catalogPiece))
	if err != nil {
		return err
	}
	return t.Print(message{out}, func(w io.Writer) error {
		if _, err := fmt.Fprintf(w, "%d rows: %d loaded, %d unchanged, %d rejected.\n",
			out.GetRowsRead(), out.GetLoaded(), out.GetUnchanged(), out.GetRejected()); err != nil {
			return err
		}
		for _, p := range out.GetProblems() {
			if _, err := fmt.Fprintf(w, "row %d, column %q: %s\n", p.GetRow(), p.GetColumn(), p.GetReason()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *api) loadCatalog(ctx context.Context, r io.Reader) (*inventoryv1.LoadCatalogResponse, error) {
	stream, err := a.merchants.LoadCatalog(ctx)
	if err != nil {
		return nil, err
	}
	piece := make([]byte, catalogPiece)
	for {
		n, err := io.ReadFull(r, piece)
		if n > 0 {
			if err := stream.Send(&inventoryv1.LoadCatalogRequest{Chunk: piece[:n]}); err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return stream.CloseAndReceive()
		}
		if err != nil {
			return nil, fmt.Errorf("read catalogue: %w", err)
		}
	}
}

func readInput(t *term.Terminal, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(t.In)
	}
	return os.ReadFile(name)
}
