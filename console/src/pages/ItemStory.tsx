import { useQuery } from '@tanstack/react-query';
import { Button } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { decideHolds } from '../app/decide';
import { itemStoryQuery } from '../app/queries';
import { useMay } from '../app/useCaller';
import { Decision, type ExplainItemResponse, type Hold, type Item, type ItemChange, type Stage } from '../gen/bodega/inventory/v1/item_pb';
import { CopyId, Money, PriceMove, ProblemNotice, When } from '../ui/atoms';
import { formatChange, formatCount, formatMoney, formatShare, shortenId } from '../ui/format';
import { IconAlert, IconCheck, IconCircle, IconEyeOff, IconHold, IconInfo, IconX } from '../ui/icons';
import { Card, Fact, Facts, Notice, PageHead, SkeletonLines, State, surface } from '../ui/surface';
import { feedCauseLabel, guardLabel, hiddenReasonLabel, hiddenReasonSentence, itemWord, stageLabel, verdictWord } from '../ui/words';
import css from './ItemStory.module.css';

const route = getRouteApi('/app/inventory/items/$merchantId/$storeId/$itemId');

export function ItemStory() {
  const { merchantId, storeId, itemId } = route.useParams();
  const { data, error, refetch } = useQuery(itemStoryQuery(merchantId, storeId, itemId));
  if (!data?.item) {
    return (
      <>
        <PageHead title={itemId} lede={error ? undefined : 'Reading its story…'} />
        {error ? (
          <ProblemNotice error={error} retry={() => void refetch()} />
        ) : (
          <div key="coming" className={css.columns}>
            <Card title="How it came to be so"><SkeletonLines lines={9} height={18} /></Card>
            <Card title="What it is"><SkeletonLines lines={7} /></Card>
          </div>
        )}
      </>
    );
  }
  const { item } = data;
  return (
    <>
      <PageHead
        title={item.name || item.itemId}
        lede={
          <span className={surface.actions}>
            <State word={itemWord(item)} />
            <span>
              {[item.brand, item.size].filter(Boolean).join(' · ')}
              {(item.brand || item.size) && ' · '}
              <Link to="/inventory/stores/$merchantId/$storeId" params={{ merchantId: item.merchantId, storeId: item.storeId }}>{item.storeName || item.storeId}</Link>
            </span>
          </span>
        }
      >
        <div className={css.price}>
          <Money minor={item.priceMinor} currency={item.currency} per={item.pricePer} />
          {item.regularPriceMinor !== undefined && <del className={surface.second}>{formatMoney(item.regularPriceMinor, item.currency)}</del>}
        </div>
      </PageHead>
      <div className={surface.stack}>
        <Answer data={data} item={item} />
        {data.hold && data.hold.state === 'open' && <OpenHold hold={data.hold} />}
        <div className={css.columns}>
          <div className={surface.stack}>
            <Card title="How it came to be so" note="Each step of the pipeline, and what it decided"><Stages stages={data.stages} /></Card>
            <Card title="History" note="Newest first" flush><History changes={data.changes} currency={item.currency} /></Card>
          </div>
          <div className={surface.stack}>
            <Card title="What it is">
              <Facts>
                <Fact name="Item id"><CopyId id={item.itemId} what="Item id" keep={10} /></Fact>
                <Fact name="Barcode">{item.gtin ? <CopyId id={item.gtin} what="Barcode" keep={10} /> : '–'}</Fact>
                <Fact name="Category">{item.category || '–'}</Fact>
                <Fact name="Merchant">{item.merchantName || item.merchantId}</Fact>
                <Fact name="Likely there">{formatShare(item.availability, 1)}</Fact>
                <Fact name="Updated"><When at={item.updatedAt} /></Fact>
              </Facts>
            </Card>
            <Card
              title="The row it came from"
              note={
                <>
                  {data.fileName || 'Feed'}{item.row > 0n && <>, row {formatCount(item.row)}</>}
                  {item.feedId && <> · <Link to="/inventory/feeds/$feedId" params={{ feedId: item.feedId }}>{shortenId(item.feedId)}</Link></>}
                </>
              }
            >
              {data.source.length === 0 ? (
                <p className={surface.muted}>The columns of this row are not kept any more.</p>
              ) : (
                <Facts>
                  {data.source.map((column) => (
                    <Fact key={column.field} name={column.field}><code>{column.value || <span className={surface.muted}>empty</span>}</code></Fact>
                  ))}
                </Facts>
              )}
            </Card>
          </div>
        </div>
      </div>
    </>
  );
}

/** One sentence that answers "why can nobody buy this?", and what to do. */
function Answer({ data, item }: { data: ExplainItemResponse; item: Item }) {
  if (item.shown) {
    return item.holdId ? <Notice tone="warn" title="Shoppers see it at its last good price; a newer price waits for a person." /> : null;
  }
  const cause = [...data.stages].reverse().find((stage) => ['hidden', 'held', 'rejected'].includes(stage.verdict));
  return (
    <Notice tone={item.holdId ? 'warn' : 'bad'} title={hiddenReasonSentence(item.hiddenReason)}>
      {cause?.detail && <div>{cause.detail}</div>}
      {cause?.fix && <div><strong>What to do:</strong> {cause.fix}</div>}
    </Notice>
  );
}

function OpenHold({ hold }: { hold: Hold }) {
  const mayDecide = useMay('inventory.hold.decide');
  return (
    <Card title="A price waits for a person" note={guardLabel(hold.guard)} aside={mayDecide && (
      <div className={surface.actions}>
        <Button variant="default" onClick={() => void decideHolds([hold], Decision.DISCARD)}>Discard</Button>
        <Button onClick={() => void decideHolds([hold], Decision.APPROVE)}>Approve {formatMoney(hold.afterMinor, hold.currency)}</Button>
      </div>
    )}>
      <Facts>
        <Fact name="Change"><PriceMove before={hold.beforeMinor} after={hold.afterMinor} currency={hold.currency} /></Fact>
        <Fact name="Other stores">{hold.medianMinor === undefined ? 'Not known' : `${formatMoney(hold.medianMinor, hold.currency)} (median)`}</Fact>
        {hold.detail && <Fact name="Why">{hold.detail}</Fact>}
        <Fact name="Held"><When at={hold.createdAt} /></Fact>
      </Facts>
    </Card>
  );
}

const verdictIcons: Record<string, typeof IconCheck> = {
  passed: IconCheck, changed: IconInfo, warned: IconAlert, held: IconHold, rejected: IconX, hidden: IconEyeOff, skipped: IconCircle,
};

function Stages({ stages }: { stages: Stage[] }) {
  if (stages.length === 0) return <p className={surface.muted}>No step has been recorded for this item yet.</p>;
  return (
    <ol className={css.stages}>
      {stages.map((stage, index) => {
        const word = verdictWord(stage.verdict);
        const Icon = verdictIcons[stage.verdict] ?? IconCircle;
        return (
          <li key={index} className={css.stage}>
            <span className={`${css.dot} ${surface[word.tone]}`} aria-hidden><Icon size={15} /></span>
            <div className={css.stageBody}>
              <div className={css.stageHead}>
                <h3>{stageLabel(stage.stage)}</h3>
                <span className={css.verdict} data-tone={word.tone}>{word.label}</span>
                {stage.rule && <code className={surface.second}>{stage.rule}</code>}
                <span className={`${surface.second} ${css.stageWhen}`}>
                  {stage.row > 0n && <>row {formatCount(stage.row)} · </>}
                  <When at={stage.at} empty="" />
                </span>
              </div>
              {stage.detail && <p>{stage.detail}</p>}
              {stage.fix && <p className={css.fix}><strong>What to do:</strong> {stage.fix}</p>}
            </div>
          </li>
        );
      })}
    </ol>
  );
}

function History({ changes, currency }: { changes: ItemChange[]; currency: string }) {
  if (changes.length === 0) return <div className={css.noHistory}>It has not changed since it was first seen.</div>;
  return (
    <div className={css.historyFrame} tabIndex={0} role="region" aria-label="History of changes">
      <table className={css.history}>
        <thead>
          <tr><th scope="col">When</th><th scope="col">Price</th><th scope="col">Shown?</th><th scope="col">Cause</th></tr>
        </thead>
        <tbody>
          {changes.map((change, index) => {
            const older = changes[index + 1];
            const move = formatChange(older?.priceMinor, change.priceMinor);
            return (
              <tr key={index}>
                <td><When at={change.at} /></td>
                <td>{formatMoney(change.priceMinor, currency)} {move && move !== '0.0%' && <span className={surface.second}>{move}</span>}</td>
                <td>{change.shown ? <State word={{ label: 'Shown', tone: 'ok' }} /> : <State word={{ label: hiddenReasonLabel(change.hiddenReason) || 'Hidden', tone: 'bad' }} />}</td>
                <td>
                  {change.feedId ? <Link to="/inventory/feeds/$feedId" params={{ feedId: change.feedId }}>{feedCauseLabel(change.cause)}</Link> : feedCauseLabel(change.cause)}
                  {change.row > 0n && <span className={surface.second}> row {formatCount(change.row)}</span>}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
