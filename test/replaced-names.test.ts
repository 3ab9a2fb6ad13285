import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

/** Identifiers that were replaced by plainer ones, as `old=new`. docs/architecture.md explains the words. Ordinary words are not in the list. */
const identifiers = pairsOf(`
  Agenda=DueQueue createAgenda=createDueQueue agenda=dueQueue createLoop=createScheduler beatHeart=sendHeartbeat lastBeat=lastHeartbeat
  noteBeat=recordHeartbeat beatScript=heartbeatScript beatIfReady=sendHeartbeatIfReady beatAfter=heartbeatAfter skippedBeats=skippedChecks
  beatIntervalMs=checkIntervalMs beatAt=scheduledAt beatsAtOnce=checksPerBatch nextBeat=nextScheduled beatAll=scheduleAll makeUpMs=catchUpMs
  paceOf=intervalKindOf paceAt=intervalKindAt setPace=setIntervalKind createTurns=createCheckQueue askedSilent=askedUnresponsive
  silentShare=unresponsiveShare silentShareInAll=unresponsiveShareInTotal silentAfter=unresponsiveAfter mostSilent=maxUnresponsive
  mostSilentInAll=maxUnresponsiveInTotal silentInFlight=unresponsiveInFlight maySilentBegin=mayBeginUnresponsive
  checkOfSilent=unresponsiveCheck firstSilent=firstUnresponsive withSilent=withUnresponsive reviewServiceAlone=emitForServiceAlone
  reviewTarget=emitForTarget reviewAll=emitForServiceAndTargets reviewService=emitForService turnService=recordServiceTransition
  Announcer=TransitionEmitter createAnnouncer=createTransitionEmitter announcer=transitionEmitter bidFarewell=emitRemoval
  farewellMs=removalRetryMs farewellUpdates=removalUpdates farewells=removals mostFarewells=mostRemovals sayFarewell=sendFin
  WatchedTarget=TargetState WatchedService=ServiceState watchedService=serviceState Watchlist=StateStore createWatchlist=createStateStore
  watchlist=stateStore isWatched=isRegistered ServiceStanding=CurrentStatus standingOf=currentStatusOf targetStatusAt=effectiveTargetStatus
  serviceStatusAt=effectiveServiceStatus readsAs=cachedStatus readsUntil=cachedUntil readsSameUntil=statusValidUntil
  targetReadsSameUntil=targetStatusValidUntil countsSameUntil=countValidUntil advisesSameUntil=adviceValidUntil Tally=StatusCounts
  tallyOf=statusCountsOf tally=statusCounts countAll=countTargets forgetCounts=dropCachedCounts fewestTallied=minCachedTargets
  createMembers=createAddressTracking MembersChange=AddressesChange maxMembers=maxAddresses nothingFound=unresolvedName
  nextFound=nextResolvedName foundBefore=resolvedBefore noneFound=noResolvedNames readdress=applyAddresses retarget=syncTargets
  Retargeted=TargetChanges Responsibility=Ownership responsibility=ownership coverAll=ownAll isCovered=isOwned createSignal=createEmitter
  rowsPerPage=rowsPerChunk wordColumn=enumColumn wordAt=enumAt wordOf=enumOf GroupPage=GroupChunk createGroupPage=createGroupChunk
  createPage=createChunk workPerPage=workPerChunk MemoryPage=ColumnChunk createMemoryPage=createColumnChunk TargetMemories=TargetColumns
  createTargetMemories=createTargetColumns ServiceMemories=ServiceColumns createServiceMemories=createServiceColumns
  TargetMemory=TargetSnapshot ServiceMemory=ServiceSnapshot MemoryRecord=SnapshotRecord readMemory=readSnapshot serviceMemory=serviceSnapshot
  createTexts=createStringPool PastChecks=CheckRing createPastChecks=createCheckRing pastChecks=checksPerRing continueLog=mergeLogs
  EarlierLog=PreviousRun KeptTransitions=StoredTransitions createKeptTransitions=createStoredTransitions measurePortions=measureBatches
  portionsOf=batchesOf firstPortion=firstBatch targetPortion=targetBatch readPortions=readBatches problemPortion=problemBatch
  keepTarget=compactTarget KeptTarget=CompactTarget termsOf=sharedSettingsOf sliceStatuses=bucketStatuses absenceBefore=gapBefore
  absenceInstantOf=gapInstantOf absenceScript=gapScript absencesOf=gapsOf anyLifeWithAbsences=anyLifeWithGaps
  completeAfterAbsences=completeAfterGaps earlierAbsences=earlierGaps forgetAbsences=forgetGaps keepAbsences=keepGaps mostAbsences=mostGaps
  noteAbsence=recordGap readAbsences=readGaps reportAbsence=reportGap shareAbsence=shareGap sharedAbsenceScript=sharedGapScript
  sharedAbsences=sharedGaps joinedUnchecked=joinedNeverChecked Commons=ReplicaBackend openCommons=openReplicaBackend commons=replicaBackend
  SharingParts=HealthReplicationParts createSharing=createHealthReplication RecallParts=ResyncParts createRecall=createResync
  recallService=resyncService recallTargets=resyncTargets IntakeParts=ChangeConsumerParts createIntake=createChangeConsumer
  createLinks=createSyncStates ServiceLink=ServiceSync TargetLink=TargetSync isAhead=isDirty mostFound=mostUnpublished
  createLink=createRedisConnector leaseMs=leaseDurationMs renewMs=renewIntervalMs RenewalParts=LeaseRenewerParts
  createRenewals=createLeaseRenewer tellIdle=reportStall toldIdle=reportedStall createAssignment=createShardOwnership
  FileOffers=ConfigurationOffers createFileOffers=createConfigurationOffers SharedFile=SharedConfiguration OfferedFile=OfferedConfiguration
  offerFile=offerConfiguration readOfferedFile=readOfferedConfiguration bringTogether=reconcile takeBack=requeue Keeper=RetryingStore
  KeeperParts=RetryingStoreParts createKeeper=createRetryingStore keeper=retryingStore Keeping=StoreState readKept=readStoreSnapshot
  KeptTransition=StoredTransition KeptRegistration=StoredRegistration KeptHealth=StoredHealth KeptField=StoredField
  readKeptField=readStoredField readKeptHealth=readStoredHealth createSurveys=createSetStatusCache surveySet=computeSetStatus
  SetSurvey=SetStatus createServiceRenderer=createReportCache openFastLane=openFastPath createAttempts=createFailedTokenLimiter
  readCondition=readPreconditions sendMissing=sendNotFoundService InForce=ConfigApplier createInForce=createConfigApplier
  inForce=configApplier followFile=startConfigReloader logNews=logEvents logReplicaNews=logReplicaEvents whyNoListener=explainListenError
  copiesOf=snippetsOf dayOf=uptimeStripOf dayPanel=uptimePanel buildDay=buildUptimeStrip addOwnMetrics=addSelfMetrics
  OwnParts=SelfMetricsParts endingOfEach=dialResultOfEach ignoreEnding=ignoreDialResult endingSeen=dialResultSeen packFinding=packKernelResult
  findingLength=kernelResultLength judgeNextHop=classifyNextHop judgeIcmp=classifyIcmp judgeSilence=classifySilence Judgement=Classification
  judgement=classification readWritten=readParsedFile notePlaces=recordLocations formatPlace=formatLocation parseAside=parseInWorker
  tellNext=sendNext tellSome=reportSome untold=unreported tellInSlices=sendInSlices tellOne=sendNext tellings=deliveries isTelling=isSending
  tellUnwritten=reportUnwritten toldFailure=reportedFailure toldId=sentId sinceTold=windowsSinceReport mostTold=mostLogged
  isToldElsewhere=isBackfilledElsewhere isSaidTwice=isRedundant portionsTold=sizesOfBatches writePiece=writeChunk sendPieces=sendChunks
  pieceBytes=chunkBytes pieceMs=chunkMs pieceLength=outputLength lookIn=scheduleLook lookSoon=onDirectoryEvent lookAround=rewatchAndLook
  changesAllTheTime=keepsChangingMessage goBehindOthers=lowerPriority giveBack=release giveBackFreed=trimMemory giveBackLarge=returnLargeBlocks
  keepGivingBack=startTrimming stopGivingBack=stopTrimming giveBackMs=trimIntervalMs hurries=bursts believedUntil=trustedUntil
  believedMs=validMs culprit=targetAtFault newcomers=joiningTargets hasten=bringForward hadItsTurn=hadThread hopefulShare=shareWithAnswering
  mostHopeful=mostWithAnswering isHopeful=isOfAnswering mostPortions=mostReads oddLease=describeUnreadableLease
  onOddLeases=reportUnreadableLeases mostOdd=mostUnreadable isAskedAgain=mustRenewAgain takeNow=applyNow punctual=membersOnTime
  passedOver=skippedEntry carryOut=runStep takeStep=startDueStep putOffUntil=postponedUntil dispensable=removableExpired
  mayHaveGone=mayBeRemoved readAnyway=readDespiteFailure ofSystem=explainSystemError ofRights=missingPermission mayBeDone=mayHaveRun
  leadToPage=redirectToPage icicles=hangingBars lookOver=computeOverview moreOf=queryForMore meansMore=specialCharacters
  ofNothing=hashOfEmptyText greatest12Bits=max12Bits callsOfThePool=poolCalls areLetGo=areReleased zipBy=mockGzip asksPlainly=isPlainRequest
`)

/** Names of files, without `.ts`, that were replaced. */
const fileNames = pairsOf(`
  reclaim=malloc follow-file=config-reloader in-force=config-applier listener=listen-error news=event-log lookup-news=lookup-log
  parse-aside=parse-in-worker json-places=json-locations places=source-locations written=parsed-file portions=batches
  held-note=last-known-note slices=time-buckets absence=gap agenda=due-queue turns=check-queue watchlist=state-store memory-page=column-chunk
  target-memories=target-columns service-memories=service-columns texts=string-pool past-checks=check-ring tally=status-counts
  settle=apply-outcome announcer=transition-emitter continue-log=merge-logs earlier-log=previous-run kept-transitions=stored-transitions
  members=address-tracking found=resolved-name retarget=sync-targets signal=emitter responsibility=ownership sqlite-datings=datings
  sqlite-failure=failure sqlite-file=file sqlite-kept=rows sqlite-statements=statements sqlite-thread=thread sqlite-worker=worker
  redis-kept=entries redis-scripts=scripts keeper=retrying-store read-kept=read-snapshot renewals=lease-renewer assignment=shard-ownership
  sharing=health-replication publication=publish-protocol recall=resync intake=change-consumer feed=change-feed join=reconcile
  odd-entries=unreadable-entries shared-file=shared-configuration file-offers=configuration-offers link=redis-connector parse=parse-json
  standing=replica-status surveys=set-status-cache fast-lane=fast-path rendered=report-cache chosen=select-services missing=not-found
  event-frames=frames event-reader=reader event-streams=streams long-body=streamed-body day=uptime-strip copies=snippets shapes=status-icons
  words=format own=self-metrics
`)

function pairsOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text
      .trim()
      .split(/\s+/)
      .map((pair): [string, string] => {
        const [old = '', replacement = ''] = pair.split('=')
        return [old, replacement]
      }),
  )
}

const root = join(import.meta.dirname, '..')
const files = ['src', 'test', 'bench', 'openapi', 'tools'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.includes('node_modules'))
    .map((file) => join(folder, file)),
)
const own = 'test/replaced-names.test.ts'
const withoutComments = (source: string) => source.replace(/\/\*.*?\*\//gs, '').replace(/(?<!:)\/\/.*$/gm, '')

test('no replaced identifier comes back', () => {
  assert.ok(files.length > 300 && identifiers.size > 100, 'no files, or no names, to look at')
  for (const file of files.filter((file) => file !== own)) {
    const used = new Set(withoutComments(readFileSync(join(root, file), 'utf8')).match(/[A-Za-z_$][\w$]*/g))
    for (const name of used) {
      const replacement = identifiers.get(name)
      assert.equal(replacement, undefined, `${file}: write ${replacement} instead of ${name}`)
    }
  }
})

test('no replaced file name comes back', () => {
  for (const file of files.filter((file) => file.startsWith('src/'))) {
    const name = file.replace(/^.*\//, '').replace(/\.ts$/, '')
    assert.equal(fileNames.get(name), undefined, `${file}: the name of such a file is ${fileNames.get(name)}.ts`)
  }
})
