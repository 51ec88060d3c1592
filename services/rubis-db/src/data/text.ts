/** Sentences that the loader makes descriptions and comments of. */
export const descriptionSentences: readonly string[] = [
  "This item is in very good condition and comes from a smoke-free home.",
  "Please look at every picture before you bid, and ask if anything is unclear.",
  "It has been kept in its original box and was used only a few times.",
  "Shipping is paid by the buyer; I send within two working days of payment.",
  "There is a small scratch on the back that does not show when it stands on a shelf.",
  "I have owned it for eight years and part with it only because we are moving.",
  "All parts are present, and the instructions are included.",
  "The colour may look a little different on your screen.",
  "Collectors will know how rarely one of these is offered.",
  "It was serviced last spring, and the receipt goes with it.",
  "Returns are accepted within fourteen days if the item is not as described.",
  "A second one is for sale in another auction; I gladly combine the shipping.",
  "The dimensions are given below, measured by hand and rounded up.",
  "It works as it should, and I have tested it for a whole afternoon.",
  "The label is a bit worn, but every word on it can still be read.",
  "Payment by cheque or money order; please no cash in the mail.",
  "Bids from outside the country are welcome.",
  "The finish is original and has never been repainted.",
  "You will not find a better one at this price.",
  "Ask me about the history of this piece: it is a long story.",
];

/** What a comment begins with, by its rating. */
export const commentOpenings: Readonly<Record<number, string>> = {
  [-5]: "This is a very bad comment. Stay away from this seller!",
  [-3]: "This is a comment below average. I don't recommend this seller.",
  0: "This is a neutral comment. It is neither a good nor a bad seller.",
  3: "This is a comment above average. You can trust this seller.",
  5: "This is an excellent comment. You can make great deals with this seller!",
};

export const commentSentences: readonly string[] = [
  "The parcel came two days after I paid.",
  "It took a reminder before I had an answer.",
  "The item was packed with care.",
  "What I got is what the pictures showed.",
  "The description left out a thing or two.",
  "We agreed on the shipping within an hour.",
  "I would have liked a tracking number.",
  "The price was fair for both of us.",
];
